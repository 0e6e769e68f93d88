/* SPDX-License-Identifier: Apache-2.0
 * Requests: what is accepted and what it means, what is refused and why; every row in one piece,
 * cut at every byte and byte by byte. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/h1_run.h"

#define HOST "Host: a\r\n"

struct bad {
	const char *source; /* what asks for it */
	const char *bytes;
	uint32_t len;
	enum h1_error error;
};

#define BAD(source, bytes, error)                                \
	{                                                        \
		source, bytes, sizeof(bytes) - 1, H1_ERR_##error \
	}

/* clang-format off */
static const struct bad bad[] = {
	/* Request line. */
	BAD("9112 2.2", "\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n", EMPTY_LINES),
	BAD("9112 2.2", "\nGET / HTTP/1.1\r\n" HOST "\r\n", BARE_LF),
	BAD("9112 2.2", "\rGET / HTTP/1.1\r\n" HOST "\r\n", BARE_CR),
	BAD("9112 3", " GET / HTTP/1.1\r\n" HOST "\r\n", METHOD),
	BAD("9112 3", "GET  / HTTP/1.1\r\n" HOST "\r\n", TARGET),
	BAD("9112 3", "GET\t/ HTTP/1.1\r\n" HOST "\r\n", METHOD),
	BAD("9112 3", "GET /\tHTTP/1.1\r\n" HOST "\r\n", TARGET),
	BAD("9112 3", "GET /  HTTP/1.1\r\n" HOST "\r\n", VERSION),
	BAD("9112 3", "GET / HTTP/1.1 \r\n" HOST "\r\n", VERSION),
	BAD("9112 3", "GET /\x0bHTTP/1.1\r\n" HOST "\r\n", TARGET),
	BAD("9112 3.1", "G\x01T / HTTP/1.1\r\n" HOST "\r\n", METHOD),
	BAD("9112 3.1", "G(T / HTTP/1.1\r\n" HOST "\r\n", METHOD),
	BAD("9112 3.1", "\x16\x03\x01\x02\x00\x01", METHOD),
	BAD("9110 9.1", "get / HTTP/1.1\r\n" HOST "\r\n", METHOD_CASE),
	BAD("9110 9.1", "Post / HTTP/1.1\r\n" HOST "\r\n", METHOD_CASE),
	BAD("9112 3", "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.1\r\n" HOST "\r\n", METHOD_LONG),
	BAD("9112 3", "GET /\r\n", VERSION),
	BAD("9112 3", "GET /\n", VERSION),
	BAD("9112 2.3", "GET / HTTP/1.1\n" HOST "\r\n", BARE_LF),
	BAD("9112 2.3", "GET / HTTP/1.1\rHost: a\r\n\r\n", BARE_CR),
	BAD("9112 2.3", "GET / http/1.1\r\n" HOST "\r\n", VERSION),
	BAD("9112 2.3", "GET / HTTP/1\r\n" HOST "\r\n", VERSION),
	BAD("9112 2.3", "GET / HTTP/1.10\r\n" HOST "\r\n", VERSION),
	BAD("9112 2.3", "GET / HTTP/11.1\r\n" HOST "\r\n", VERSION),
	BAD("9112 2.3", "GET / HTTP/+1.1\r\n" HOST "\r\n", VERSION),
	BAD("9112 2.3", "GET / HTTPS/1.1\r\n" HOST "\r\n", VERSION),
	BAD("9110 15.6.6", "GET / HTTP/0.9\r\n" HOST "\r\n", VERSION_OTHER),
	BAD("9110 15.6.6", "GET / HTTP/1.2\r\n" HOST "\r\n", VERSION_OTHER),
	BAD("9110 15.6.6", "GET / HTTP/2.0\r\n" HOST "\r\n", VERSION_OTHER),
	BAD("9113 3.4", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", VERSION_OTHER),
	/* Target. */
	BAD("9112 3.2", "GET /a b HTTP/1.1\r\n" HOST "\r\n", VERSION),
	BAD("9110 4.2.5", "GET /a#b HTTP/1.1\r\n" HOST "\r\n", TARGET_FRAGMENT),
	BAD("3986 2", "GET /\x80 HTTP/1.1\r\n" HOST "\r\n", TARGET),
	BAD("3986 2", "GET /\x7f HTTP/1.1\r\n" HOST "\r\n", TARGET),
	BAD("3986 2", "GET /\"a HTTP/1.1\r\n" HOST "\r\n", TARGET),
	BAD("3986 2", "GET /<a> HTTP/1.1\r\n" HOST "\r\n", TARGET),
	BAD("3986 3.3", "GET /a\\..\\b HTTP/1.1\r\n" HOST "\r\n", TARGET),
	BAD("3986 3.3", "GET /a`b HTTP/1.1\r\n" HOST "\r\n", TARGET),
	BAD("3986 2.1", "GET /% HTTP/1.1\r\n" HOST "\r\n", TARGET_PERCENT),
	BAD("3986 2.1", "GET /%4 HTTP/1.1\r\n" HOST "\r\n", TARGET_PERCENT),
	BAD("3986 2.1", "GET /%4g HTTP/1.1\r\n" HOST "\r\n", TARGET_PERCENT),
	BAD("3986 2.1", "GET /%u0041 HTTP/1.1\r\n" HOST "\r\n", TARGET_PERCENT),
	BAD("3986 2.1", "GET /a?b=%zz HTTP/1.1\r\n" HOST "\r\n", TARGET_PERCENT),
	BAD("3986 7.3", "GET /a%00.png HTTP/1.1\r\n" HOST "\r\n", TARGET_PERCENT),
	BAD("9112 3.2", "GET a HTTP/1.1\r\n" HOST "\r\n", TARGET_FORM),
	BAD("9112 3.2", "GET a/b HTTP/1.1\r\n" HOST "\r\n", TARGET_FORM),
	BAD("9112 3.2", "GET ?a HTTP/1.1\r\n" HOST "\r\n", TARGET_FORM),
	BAD("9112 3.2.4", "GET * HTTP/1.1\r\n" HOST "\r\n", TARGET_FORM),
	BAD("9112 3.2.4", "OPTIONS *a HTTP/1.1\r\n" HOST "\r\n", TARGET_FORM),
	BAD("9112 3.2.2", "GET ftp://a/ HTTP/1.1\r\n" HOST "\r\n", SCHEME),
	BAD("9112 3.2.2", "GET http:/a HTTP/1.1\r\n" HOST "\r\n", SCHEME),
	BAD("9112 3.2.3", "GET a:80 HTTP/1.1\r\n" HOST "\r\n", SCHEME),
	BAD("9110 4.2.4", "GET http://u@a/ HTTP/1.1\r\n" HOST "\r\n", USERINFO),
	BAD("9110 4.2.4", "GET http://u:p@a/ HTTP/1.1\r\n" HOST "\r\n", USERINFO),
	BAD("9110 4.2.1", "GET http:/// HTTP/1.1\r\n" HOST "\r\n", AUTHORITY),
	BAD("9110 4.2.1", "GET http://:80/ HTTP/1.1\r\n" HOST "\r\n", AUTHORITY),
	BAD("9110 7.4", "GET https://a/ HTTP/1.1\r\n" HOST "\r\n", MISDIRECTED),
	BAD("9112 3.2", "GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n", HOST_MISMATCH),
	BAD("9112 3.2", "GET http://a/ HTTP/1.1\r\nHost: a:81\r\n\r\n", HOST_MISMATCH),
	BAD("9112 3.2", "GET http://a:81/ HTTP/1.1\r\nHost: a\r\n\r\n", HOST_MISMATCH),
	BAD("9112 3.2", "GET http://a/ HTTP/1.1\r\n\r\n", HOST_MISSING),
	BAD("9112 3.2.3", "CONNECT / HTTP/1.1\r\n" HOST "\r\n", AUTHORITY),
	BAD("9112 3.2.3", "CONNECT a HTTP/1.1\r\n" HOST "\r\n", TARGET_FORM),
	BAD("9112 3.2.3", "CONNECT a: HTTP/1.1\r\n" HOST "\r\n", TARGET_FORM),
	BAD("9112 3.2.3", "CONNECT http://a:80 HTTP/1.1\r\n" HOST "\r\n", AUTHORITY),
	BAD("9110 4.2.4", "CONNECT u@a:80 HTTP/1.1\r\n" HOST "\r\n", USERINFO),
	BAD("9112 3.2", "CONNECT a:80 HTTP/1.1\r\nHost: b\r\n\r\n", HOST_MISMATCH),
	BAD("9112 3.2", "CONNECT a:80 HTTP/1.1\r\nHost: a:443\r\n\r\n", HOST_MISMATCH),
	/* Field lines. */
	BAD("9112 2.2", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", BLANK_FIRST),
	BAD("9112 2.2", "GET / HTTP/1.1\r\n\tx: a\r\n" HOST "\r\n", BLANK_FIRST),
	BAD("9112 5.2", "GET / HTTP/1.1\r\n" HOST " b\r\n\r\n", FOLD),
	BAD("9112 5.2", "GET / HTTP/1.1\r\n" HOST "x: 1\r\n\t2\r\n\r\n", FOLD),
	BAD("9112 5.2", "GET / HTTP/1.1\r\n" HOST "x: 1\r\n \r\n\r\n", FOLD),
	BAD("9112 5.1", "GET / HTTP/1.1\r\nHost : a\r\n\r\n", NAME_BLANK),
	BAD("9112 5.1", "GET / HTTP/1.1\r\n" HOST "Content-Length\t: 5\r\n\r\n", NAME_BLANK),
	BAD("9110 5.1", "GET / HTTP/1.1\r\n" HOST ": x\r\n\r\n", NAME),
	BAD("9110 5.1", "GET / HTTP/1.1\r\n" HOST "a\x0b: x\r\n\r\n", NAME),
	BAD("9110 5.1", "GET / HTTP/1.1\r\n" HOST "a\0b: x\r\n\r\n", NAME),
	BAD("9110 5.1", "GET / HTTP/1.1\r\n" HOST "a(b): x\r\n\r\n", NAME),
	BAD("9110 5.1", "GET / HTTP/1.1\r\n" HOST "\xc3\xa4: x\r\n\r\n", NAME),
	BAD("9110 5.1", "GET / HTTP/1.1\r\n" HOST "a b: x\r\n\r\n", NAME_BLANK),
	BAD("9112 5", "GET / HTTP/1.1\r\n" HOST "abc\r\n\r\n", NO_COLON),
	BAD("9112 2.2", "GET / HTTP/1.1\r\n" HOST "abc\n\r\n", BARE_LF),
	BAD("9112 2.2", "GET / HTTP/1.1\r\n" HOST "a: b\nc: d\r\n\r\n", BARE_LF),
	BAD("9112 2.2", "GET / HTTP/1.1\r\n" HOST "a: b\rc: d\r\n\r\n", BARE_CR),
	BAD("9112 2.2", "GET / HTTP/1.1\r\n" HOST "\n", BARE_LF),
	BAD("9112 2.2", "GET / HTTP/1.1\r\n" HOST "\rx", BARE_CR),
	BAD("9112 2.2", "GET / HTTP/1.1\r\n" HOST "a: b\r\r\n\r\n", BARE_CR),
	BAD("9110 5.5", "GET / HTTP/1.1\r\n" HOST "a: b\0c\r\n\r\n", VALUE),
	BAD("9110 5.5", "GET / HTTP/1.1\r\n" HOST "a: b\x7f\r\n\r\n", VALUE),
	BAD("9110 5.5", "GET / HTTP/1.1\r\n" HOST "a: \x1b[0m\r\n\r\n", VALUE),
	/* Host. */
	BAD("9112 3.2", "GET / HTTP/1.1\r\n\r\n", HOST_MISSING),
	BAD("9112 3.2", "GET / HTTP/1.1\r\n" HOST HOST "\r\n", HOST_TWICE),
	BAD("9112 3.2", "GET / HTTP/1.1\r\n" HOST "x: y\r\nhost: b\r\n\r\n", HOST_TWICE),
	BAD("9112 3.2", "GET / HTTP/1.0\r\n" HOST HOST "\r\n", HOST_TWICE),
	BAD("9110 4.2.1", "GET / HTTP/1.1\r\nHost:\r\n\r\n", HOST_INVALID),
	BAD("9110 4.2.1", "GET / HTTP/1.0\r\nHost: \r\n\r\n", HOST_INVALID),
	BAD("9112 3.2", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", HOST_INVALID),
	BAD("9112 3.2", "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", HOST_INVALID),
	BAD("9112 3.2", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", HOST_INVALID),
	BAD("9112 3.2", "GET / HTTP/1.1\r\nHost: http://a\r\n\r\n", HOST_INVALID),
	BAD("9112 3.2", "GET / HTTP/1.1\r\nHost: a?b\r\n\r\n", HOST_INVALID),
	BAD("9112 3.2", "GET / HTTP/1.1\r\nHost: a#b\r\n\r\n", HOST_INVALID),
	BAD("9112 3.2", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", HOST_INVALID),
	BAD("9112 3.2", "GET / HTTP/1.1\r\nHost: a%2eb\r\n\r\n", HOST_INVALID),
	BAD("9112 3.2", "GET / HTTP/1.1\r\nHost: \xc3\xa4\r\n\r\n", HOST_INVALID),
	BAD("9112 3.2", "GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", HOST_INVALID),
	BAD("9112 3.2", "GET / HTTP/1.1\r\nHost: a:80:80\r\n\r\n", HOST_INVALID),
	BAD("9112 3.2", "GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n", HOST_INVALID),
	BAD("9112 3.2", "GET / HTTP/1.1\r\nHost: a:0\r\n\r\n", HOST_INVALID),
	BAD("9112 3.2", "GET / HTTP/1.1\r\nHost: a:080\r\n\r\n", HOST_INVALID),
	BAD("9112 3.2", "GET / HTTP/1.1\r\nHost: a:-1\r\n\r\n", HOST_INVALID),
	BAD("9112 3.2", "GET / HTTP/1.1\r\nHost: :80\r\n\r\n", HOST_INVALID),
	BAD("9112 3.2", "GET / HTTP/1.1\r\nHost: .a\r\n\r\n", HOST_INVALID),
	BAD("9112 3.2", "GET / HTTP/1.1\r\nHost: a..b\r\n\r\n", HOST_INVALID),
	BAD("9112 3.2", "GET / HTTP/1.1\r\nHost: a..\r\n\r\n", HOST_INVALID),
	BAD("9112 3.2", "GET / HTTP/1.1\r\nHost: .\r\n\r\n", HOST_INVALID),
	BAD("3986 3.2.2", "GET / HTTP/1.1\r\nHost: 127.1\r\n\r\n", HOST_INVALID),
	BAD("3986 3.2.2", "GET / HTTP/1.1\r\nHost: 0x7f.0x1\r\n\r\n", HOST_INVALID),
	BAD("3986 3.2.2", "GET / HTTP/1.1\r\nHost: 1.2.3.256\r\n\r\n", HOST_INVALID),
	BAD("3986 3.2.2", "GET / HTTP/1.1\r\nHost: 1.2.3.04\r\n\r\n", HOST_INVALID),
	BAD("3986 3.2.2", "GET / HTTP/1.1\r\nHost: 2130706433\r\n\r\n", HOST_INVALID),
	BAD("3986 3.2.2", "GET / HTTP/1.1\r\nHost: ::1\r\n\r\n", HOST_INVALID),
	BAD("3986 3.2.2", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", HOST_INVALID),
	BAD("3986 3.2.2", "GET / HTTP/1.1\r\nHost: [::g]\r\n\r\n", HOST_INVALID),
	BAD("3986 3.2.2", "GET / HTTP/1.1\r\nHost: [127.0.0.1]\r\n\r\n", HOST_INVALID),
	BAD("6874 1", "GET / HTTP/1.1\r\nHost: [fe80::1%25eth0]\r\n\r\n", HOST_INVALID),
	BAD("3986 3.2.2", "GET / HTTP/1.1\r\nHost: [v1.a]\r\n\r\n", HOST_INVALID),
	BAD("9112 3.2", "GET / HTTP/1.1\r\nHost: [::1]x\r\n\r\n", HOST_INVALID),
	/* Content-Length. */
	BAD("9112 6.3", "POST / HTTP/1.1\r\n" HOST "Content-Length: -1\r\n\r\n", LENGTH_INVALID),
	BAD("9112 6.3", "POST / HTTP/1.1\r\n" HOST "Content-Length: +1\r\n\r\n", LENGTH_INVALID),
	BAD("9112 6.3", "POST / HTTP/1.1\r\n" HOST "Content-Length: 0x1\r\n\r\n", LENGTH_INVALID),
	BAD("9112 6.3", "POST / HTTP/1.1\r\n" HOST "Content-Length: 1 2\r\n\r\n", LENGTH_INVALID),
	BAD("9112 6.3", "POST / HTTP/1.1\r\n" HOST "Content-Length: 1.0\r\n\r\n", LENGTH_INVALID),
	BAD("9112 6.3", "POST / HTTP/1.1\r\n" HOST "Content-Length: 1e1\r\n\r\n", LENGTH_INVALID),
	BAD("9112 6.3", "POST / HTTP/1.1\r\n" HOST "Content-Length: \"1\"\r\n\r\n", LENGTH_INVALID),
	BAD("9112 6.3", "POST / HTTP/1.1\r\n" HOST "Content-Length: 1;a\r\n\r\n", LENGTH_INVALID),
	BAD("9112 6.3", "POST / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n", LENGTH_INVALID),
	BAD("9112 6.3", "POST / HTTP/1.1\r\n" HOST "Content-Length: 1,\r\n\r\n", LENGTH_INVALID),
	BAD("9112 6.3", "POST / HTTP/1.1\r\n" HOST "Content-Length: 1, 1\r\n\r\n", LENGTH_INVALID),
	BAD("9112 6.3", "POST / HTTP/1.1\r\n" HOST "Content-Length: 9223372036854775808\r\n\r\n",
		LENGTH_INVALID),
	BAD("9112 6.3", "POST / HTTP/1.1\r\n" HOST "Content-Length: 18446744073709551617\r\n\r\n",
		LENGTH_INVALID),
	BAD("9112 6.3", "POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
		LENGTH_TWICE),
	BAD("9112 6.3", "POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 1\r\n\r\n",
		LENGTH_TWICE),
	/* Transfer-Encoding. */
	BAD("9112 6.3", "POST / HTTP/1.1\r\n" HOST
		"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", LENGTH_AND_TE),
	BAD("9112 6.3", "POST / HTTP/1.1\r\n" HOST
		"Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", LENGTH_AND_TE),
	BAD("9112 6.1", "POST / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n", TE_VERSION),
	BAD("9112 6.3", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n", TE_INVALID),
	BAD("9112 6.3", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunkedx\r\n\r\n", TE_INVALID),
	BAD("9112 6.3", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: x chunked\r\n\r\n", TE_INVALID),
	BAD("9112 6.3", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding:\r\n\r\n", TE_INVALID),
	BAD("9112 6.3", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: identity\r\n\r\n", TE_INVALID),
	BAD("9112 6.3", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, gzip\r\n\r\n",
		TE_INVALID),
	BAD("9112 6.1", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, chunked\r\n\r\n",
		TE_INVALID),
	BAD("9112 6.1", "POST / HTTP/1.1\r\n" HOST
		"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", TE_INVALID),
	BAD("9112 6.1", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n",
		TE_UNKNOWN),
	BAD("9112 6.1", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: a,b ,\tchunked\r\n\r\n",
		TE_UNKNOWN),
	BAD("9112 7", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked;q=1\r\n\r\n", TE_INVALID),
	BAD("9112 7", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: \"chunked\"\r\n\r\n", TE_INVALID),
	BAD("9112 6.3", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: ,chunked\r\n\r\n", TE_INVALID),
	BAD("9112 6.3", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked,\r\n\r\n", TE_INVALID),
	BAD("9110 5.5", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: \x0b" "chunked\r\n\r\n", VALUE),
	BAD("9112 6.3", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: \xa0" "chunked\r\n\r\n",
		TE_INVALID),
	/* Connection, Expect, Upgrade. */
	BAD("9110 7.6.1", "GET / HTTP/1.1\r\n" HOST "Connection: a b\r\n\r\n", CONNECTION),
	BAD("9110 7.6.1", "GET / HTTP/1.1\r\n" HOST "Connection: \"close\"\r\n\r\n", CONNECTION),
	BAD("9110 7.6.1", "GET / HTTP/1.1\r\n" HOST "Connection: close;q\r\n\r\n", CONNECTION),
	BAD("9110 7.6.1", "GET / HTTP/1.1\r\n" HOST "Connection: host\r\n\r\n", CONNECTION_ESSENTIAL),
	BAD("9110 7.6.1", "GET / HTTP/1.1\r\n" HOST "Connection: close, Content-Length\r\n\r\n",
		CONNECTION_ESSENTIAL),
	BAD("9110 7.6.1", "GET / HTTP/1.1\r\n" HOST "Connection: transfer-encoding\r\n\r\n",
		CONNECTION_ESSENTIAL),
	BAD("9110 7.6.1", "GET / HTTP/1.1\r\n" HOST "Connection: Authorization\r\n\r\n",
		CONNECTION_ESSENTIAL),
	BAD("9110 7.6.1", "GET / HTTP/1.1\r\n" HOST "Connection: cookie\r\n\r\n", CONNECTION_ESSENTIAL),
	BAD("9110 7.6.1", "GET / HTTP/1.1\r\n" HOST "Connection: x-forwarded-for\r\n\r\n",
		CONNECTION_ESSENTIAL),
	BAD("9111 5.2", "GET / HTTP/1.1\r\n" HOST "Connection: Cache-Control\r\n\r\n",
		CONNECTION_ESSENTIAL),
	BAD("9110 10.1.1", "PUT / HTTP/1.1\r\n" HOST "Expect: 200-ok\r\nContent-Length: 1\r\n\r\n",
		EXPECT),
	BAD("9110 10.1.1", "PUT / HTTP/1.1\r\n" HOST
		"Expect: 100-continue, x\r\nContent-Length: 1\r\n\r\n", EXPECT),
	BAD("9110 7.8", "GET / HTTP/1.1\r\n" HOST "Connection: upgrade\r\nUpgrade: a b\r\n\r\n", UPGRADE),
	BAD("9110 7.8", "GET / HTTP/1.1\r\n" HOST "Connection: upgrade\r\nUpgrade: a/\r\n\r\n", UPGRADE),
	BAD("9110 7.8", "GET / HTTP/1.1\r\n" HOST "Connection: upgrade\r\nUpgrade:\r\n\r\n", UPGRADE),
	/* Bodies that cannot be. */
	BAD("9110 9.3.8", "TRACE / HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\n", BODY_METHOD),
	BAD("9110 9.3.6", "CONNECT a:1 HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n",
		BODY_METHOD),
};
/* clang-format on */

static void run(const char *bytes, uint32_t len, struct h1_result *r)
{
	const struct h1_case c = {.kind = H1_REQUEST, .bytes = bytes, .len = len};

	h1_run_all_ways(&c, r);
}

static void what_has_two_readings_is_refused(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct h1_result r;

		run(bad[i].bytes, bad[i].len, &r);
		if (r.verdict != H1_BAD || r.error != bad[i].error)
			print_error("RFC %s: %s: verdict %d, %s\n", bad[i].source, bad[i].bytes,
				(int)r.verdict, h1_error_word(r.error));
		assert_int_equal(r.verdict, H1_BAD);
		assert_int_equal(r.error, bad[i].error);
		h1_result_free(&r);
	}
}

/* What is written for a request that is accepted. */
struct good {
	const char *source;
	const char *in, *out;
};

/* clang-format off */
static const struct good good[] = {
	{"9112 3.2.1", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"},
	{"9112 2.2", "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"},
	{"9112 5.1: blanks around a value are not its own",
		"GET / HTTP/1.1\r\nHost:\t a \t\r\nA:b\r\nC:   d \t e  \r\nE:\r\nF: \t \r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nA: b\r\nC: d \t e\r\nE: \r\nF: \r\n\r\n"},
	{"9110 4.2.3: hosts have no case",
		"GET /Ab HTTP/1.1\r\nHost: EXAMPLE.Com:8080\r\n\r\n",
		"GET /Ab HTTP/1.1\r\nHost: example.com:8080\r\n\r\n"},
	{"3986 6.2.3: an empty port is none", "GET / HTTP/1.1\r\nHost: a:\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n"},
	{"1034 3.1: the root's label", "GET / HTTP/1.1\r\nHost: a.example.:80\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a.example:80\r\n\r\n"},
	{"3986 3.2.2", "GET / HTTP/1.1\r\nHost: [2001:DB8::1]:8080\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: [2001:db8::1]:8080\r\n\r\n"},
	{"3986 3.2.2", "GET / HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n"},
	{"9112 3.2.2", "GET http://A.example/x?y HTTP/1.1\r\nHost: a.EXAMPLE\r\n\r\n",
		"GET /x?y HTTP/1.1\r\nHost: a.example\r\n\r\n"},
	{"9112 3.2.2", "GET HTTP://a HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"},
	{"9112 3.2.2", "GET http://a?q HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /?q HTTP/1.1\r\nHost: a\r\n\r\n"},
	{"9110 4.2.3: 80 is the port of http", "GET http://a:80/ HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a:80\r\n\r\n"},
	{"9112 3.2.4", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
		"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"},
	{"9112 3.2.4", "OPTIONS http://a:8001 HTTP/1.1\r\nHost: a:8001\r\n\r\n",
		"OPTIONS * HTTP/1.1\r\nHost: a:8001\r\n\r\n"},
	{"9112 3.2.4", "OPTIONS http://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
		"OPTIONS / HTTP/1.1\r\nHost: a\r\n\r\n"},
	{"9112 3.2.3", "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example\r\n\r\n",
		"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n"},
	{"9112 3.2.1: an empty query is there", "GET /? HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /? HTTP/1.1\r\nHost: a\r\n\r\n"},
	{"3986 3.4: a query holds what browsers send",
		"GET /a?b[]={c|d}^\\`?/%41 HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /a?b[]={c|d}^\\`?/%41 HTTP/1.1\r\nHost: a\r\n\r\n"},
	{"9112 3.2.1: more than one slash is a path", "GET //b/../c HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET //b/../c HTTP/1.1\r\nHost: a\r\n\r\n"},
	{"9110 9.1: unknown methods are passed", "PROPFIND / HTTP/1.1\r\nHost: a\r\n\r\n",
		"PROPFIND / HTTP/1.1\r\nHost: a\r\n\r\n"},
	{"9110 9.1: unknown methods may have any case", "mkCol / HTTP/1.1\r\nHost: a\r\n\r\n",
		"mkCol / HTTP/1.1\r\nHost: a\r\n\r\n"},
	{"9112 2.3: our version", "GET / HTTP/1.0\r\nHost: a\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n"},
	{"9110 7.2: Host first", "GET / HTTP/1.1\r\nA: 1\r\nHost: a\r\nB: 2\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nA: 1\r\nB: 2\r\n\r\n"},
	{"9110 5.3: order and number of lines stay",
		"GET / HTTP/1.1\r\nHost: a\r\nA: 1\r\nB: 2\r\nA: 3\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nA: 1\r\nB: 2\r\nA: 3\r\n\r\n"},
	{"9110 7.6.1: what Connection names is not passed",
		"GET / HTTP/1.1\r\nHost: a\r\nX-Hop: 1\r\nConnection: x-HOP, , keep-alive\r\nY: 2\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nY: 2\r\n\r\n"},
	{"9110 7.6.1: known to be of one hop",
		"GET / HTTP/1.1\r\nHost: a\r\nKeep-Alive: 1\r\nProxy-Connection: x\r\nTrailer: y\r\n"
		"TE: gzip\r\nUpgrade: z\r\nB: 2\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nB: 2\r\n\r\n"},
	{"9110 10.1.4", "GET / HTTP/1.1\r\nHost: a\r\nTE: gzip, trailers\r\nConnection: TE\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE\r\n\r\n"},
	{"9110 7.8", "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"},
	{"9110 7.8: ignored with a body",
		"POST / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\nContent-Length: 1\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n"},
	{"9110 7.8: no HTTP within HTTP",
		"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade, http2-settings\r\nUpgrade: h2c\r\n"
		"HTTP2-Settings: AA\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n"},
	{"9110 7.8: ignored in HTTP/1.0",
		"GET / HTTP/1.0\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n"},
	{"9112 6.3: any method may have a body", "GET / HTTP/1.1\r\nHost: a\r\ncontent-length: 00012\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\n"},
	{"9112 6.3", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775807\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775807\r\n\r\n"},
	{"9112 6.1", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\tCHUNKED \r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"},
	{"9110 8.6: no body is said where one would be expected", "POST / HTTP/1.1\r\nHost: a\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"},
	{"9110 10.1.1", "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\n",
		"PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\n"},
	{"9110 10.1.1: nothing to wait for", "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n",
		"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"},
	{"9110 10.1.1: unknown to HTTP/1.0",
		"PUT / HTTP/1.0\r\nHost: a\r\nExpect: x\r\nContent-Length: 1\r\n\r\n",
		"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n"},
	{"9110 5.1: '_' is '-' to some", "GET / HTTP/1.1\r\nHost: a\r\nX_Y: 1\r\nContent_Length: 5\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n"},
	{"9110 5.5: obs-text is opaque", "GET / HTTP/1.1\r\nHost: a\r\nX: \xff\x80\xa0\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nX: \xff\x80\xa0\r\n\r\n"},
};
/* clang-format on */

static void what_is_accepted_is_written_in_one_form(void **state)
{
	const struct h1_request_opts opts = {.close = false};
	char buf[4096];

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct h1_result r;
		int n;

		run(good[i].in, (uint32_t)strlen(good[i].in), &r);
		if (r.verdict != H1_OK)
			print_error(
				"%s: %s: %s\n", good[i].source, good[i].in, h1_error_word(r.error));
		assert_int_equal(r.verdict, H1_OK);
		assert_int_equal(r.head_len, strlen(good[i].in));
		n = h1_request_write(&r.head, &opts, buf, sizeof(buf) - 1);
		assert_true(n > 0);
		buf[n] = '\0';
		assert_string_equal(buf, good[i].out);
		h1_result_free(&r);
	}
}

static void what_a_head_says_is_told(void **state)
{
	static const char in[] =
		"POST /a/b?c=d HTTP/1.1\r\nHost: EXAMPLE.com:81\r\nConnection: close, TE\r\n"
		"TE: trailers\r\nContent-Length: 3\r\nExpect: 100-continue\r\nX: y\r\n\r\nabc";
	struct h1_result r;

	(void)state;
	run(in, sizeof(in) - 1, &r);
	assert_int_equal(r.verdict, H1_OK);
	assert_int_equal(r.head_len, sizeof(in) - 4);
	assert_int_equal(r.head.method, HTTP_POST);
	assert_true(span_eq(r.head.method_text, SPAN("POST")));
	assert_true(span_eq(r.head.scheme, SPAN("http")));
	assert_true(span_eq(r.head.host, SPAN("example.com")));
	assert_int_equal(r.head.port, 81);
	assert_true(span_eq(r.head.path, SPAN("/a/b")));
	assert_true(r.head.has_query);
	assert_true(span_eq(r.head.query, SPAN("c=d")));
	assert_true(r.head.expect_continue);
	assert_true(r.head.te_trailers);
	assert_false(r.head.keep_alive);
	assert_int_equal(r.head.framing, HTTP_BODY_LENGTH);
	assert_int_equal(r.head.length, 3);
	assert_int_equal(r.head.field_cnt, 6);
	assert_int_equal(r.head.fields[1].flags, HTTP_F_HOP);
	assert_int_equal(r.head.fields[5].flags, 0);
	h1_result_free(&r);
}

/* RFC 9112 9.3. */
static void persistence_is_told(void **state)
{
	static const struct {
		const char *in;
		bool keep_alive;
	} rows[] = {
		{"GET / HTTP/1.1\r\n" HOST "\r\n", true},
		{"GET / HTTP/1.1\r\n" HOST "Connection: Close\r\n\r\n", false},
		{"GET / HTTP/1.1\r\n" HOST "Connection: x\r\nConnection: y,close\r\n\r\n", false},
		{"GET / HTTP/1.1\r\n" HOST "Connection: keep-alive, close\r\n\r\n", false},
		{"GET / HTTP/1.1\r\n" HOST "Connection: closed\r\n\r\n", true},
		{"GET / HTTP/1.0\r\n" HOST "\r\n", false},
		{"GET / HTTP/1.0\r\n" HOST "Connection: Keep-Alive\r\n\r\n", true},
		{"GET / HTTP/1.0\r\n" HOST "Proxy-Connection: keep-alive\r\n\r\n", false},
	};

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct h1_result r;

		run(rows[i].in, (uint32_t)strlen(rows[i].in), &r);
		assert_int_equal(r.verdict, H1_OK);
		assert_int_equal(r.head.keep_alive, rows[i].keep_alive);
		h1_result_free(&r);
	}
}

static void http_1_0_needs_no_host(void **state)
{
	static const char in[] = "GET / HTTP/1.0\r\n\r\n";
	struct h1_request_opts opts = {.host = SPAN("backend:8080")};
	struct h1_result r;
	char buf[128];
	int n;

	(void)state;
	run(in, sizeof(in) - 1, &r);
	assert_int_equal(r.verdict, H1_OK);
	assert_int_equal(r.head.host.len, 0);
	n = h1_request_write(&r.head, &opts, buf, sizeof(buf) - 1);
	assert_true(n > 0);
	buf[n] = '\0';
	assert_string_equal(buf, "GET / HTTP/1.1\r\nHost: backend:8080\r\n\r\n");
	h1_result_free(&r);
}

/* RFC 9110 7.4: the scheme is the connection's. */
static void a_secure_connection_takes_https(void **state)
{
	static const char *const in[] = {"GET https://a/ HTTP/1.1\r\nHost: a:443\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n"};

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(in); i++) {
		struct h1_case c = {.kind = H1_REQUEST,
			.bytes = in[i],
			.len = (uint32_t)strlen(in[i]),
			.secure = true};
		struct h1_result r;

		h1_run_all_ways(&c, &r);
		assert_int_equal(r.verdict, i < 2 ? H1_OK : H1_BAD);
		if (i < 2)
			assert_true(span_eq(r.head.scheme, SPAN("https")));
		else
			assert_int_equal(r.error, H1_ERR_MISDIRECTED);
		h1_result_free(&r);
	}
}

/* ---- limits ---- */

static enum h1_error error_of(const struct h1_limits *lim, const char *in, uint32_t len)
{
	struct h1_case c = {.kind = H1_REQUEST, .bytes = in, .len = len, .lim = lim};
	struct h1_result r;

	h1_run_all_ways(&c, &r);
	h1_result_free(&r);
	return r.verdict == H1_OK ? H1_ERR_NONE : r.error;
}

/* `n` bytes between what stands before and behind; accepted up to max. */
static void edge(const struct h1_limits *lim, const char *before, const char *behind, uint32_t max,
	enum h1_error error)
{
	char buf[1024];

	for (uint32_t n = max - 1; n <= max + 2; n++) {
		size_t a = strlen(before), b = strlen(behind);

		memcpy(buf, before, a);
		memset(buf + a, 'a', n);
		memcpy(buf + a + n, behind, b);
		assert_int_equal(
			error_of(lim, buf, (uint32_t)(a + n + b)), n <= max ? H1_ERR_NONE : error);
	}
}

static void limits_hold_to_the_byte(void **state)
{
	struct h1_limits lim = h1_limits_default;

	(void)state;
	edge(&lim, "", " / HTTP/1.1\r\n" HOST "\r\n", H1_METHOD_MAX, H1_ERR_METHOD_LONG);
	lim.target_bytes = 50;
	edge(&lim, "GET /", " HTTP/1.1\r\n" HOST "\r\n", 49, H1_ERR_TARGET_LONG);
	lim.field_bytes = 60;
	edge(&lim, "GET / HTTP/1.1\r\n" HOST, ": x\r\n\r\n", 57, H1_ERR_FIELD_LONG);
	edge(&lim, "GET / HTTP/1.1\r\n" HOST "A: ", "\r\n\r\n", 57, H1_ERR_FIELD_LONG);
	lim.head_bytes = 80;
	edge(&lim, "GET / HTTP/1.1\r\n" HOST "A: ", "\r\n\r\n", 80 - 16 - 9 - 3 - 4,
		H1_ERR_HEAD_LONG);
	lim.target_bytes = 4000;
	edge(&lim, "GET /", " HTTP/1.1\r\n" HOST "\r\n", 80 - 5 - 11 - 9 - 2, H1_ERR_HEAD_LONG);
	assert_int_equal(error_of(&lim,
				 "GET "
				 "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
				 "aaaaaaaaaaaaa"
				 "aaaaaaa",
				 90),
		H1_ERR_TARGET_LONG);
	edge(&h1_limits_default, "GET / HTTP/1.1\r\nHost: ", "\r\n\r\n", 63, H1_ERR_HOST_INVALID);
}

static void fields_are_counted(void **state)
{
	struct h1_limits lim = h1_limits_default;
	char buf[8192];

	(void)state;
	lim.fields = 5;
	for (uint32_t n = 3; n < 7; n++) {
		int len = snprintf(buf, sizeof(buf), "GET / HTTP/1.1\r\n" HOST);

		for (uint32_t i = 1; i < n; i++)
			len += snprintf(buf + len, sizeof(buf) - (size_t)len, "a_%u: b\r\n", i);
		len += snprintf(buf + len, sizeof(buf) - (size_t)len, "\r\n");
		assert_int_equal(
			error_of(&lim, buf, (uint32_t)len), n <= 5 ? H1_ERR_NONE : H1_ERR_FIELDS);
	}
	/* Whatever is configured, a head has no more room. */
	lim.fields = 100000;
	for (uint32_t n = LIMIT_HTTP_FIELDS; n <= LIMIT_HTTP_FIELDS + 1; n++) {
		int len = snprintf(buf, sizeof(buf), "GET / HTTP/1.1\r\n" HOST);

		for (uint32_t i = 1; i < n; i++)
			len += snprintf(buf + len, sizeof(buf) - (size_t)len, "a: b\r\n");
		len += snprintf(buf + len, sizeof(buf) - (size_t)len, "\r\n");
		assert_int_equal(error_of(&lim, buf, (uint32_t)len),
			n <= LIMIT_HTTP_FIELDS ? H1_ERR_NONE : H1_ERR_FIELDS);
	}
}

static void underscores_are_treated_as_configured(void **state)
{
	static const char in[] = "GET / HTTP/1.1\r\n" HOST "X_Forwarded_For: 1\r\nA: b\r\n\r\n";
	struct h1_limits lim = h1_limits_default;
	struct h1_case c = {.kind = H1_REQUEST, .bytes = in, .len = sizeof(in) - 1, .lim = &lim};
	struct h1_result r;

	(void)state;
	lim.underscores = H1_UNDERSCORES_PASS;
	h1_run_all_ways(&c, &r);
	assert_int_equal(r.verdict, H1_OK);
	assert_int_equal(r.head.fields[1].flags, 0);
	h1_result_free(&r);
	lim.underscores = H1_UNDERSCORES_DROP;
	h1_run_all_ways(&c, &r);
	assert_int_equal(r.verdict, H1_OK);
	assert_int_equal(r.head.fields[1].flags, HTTP_F_GONE);
	h1_result_free(&r);
	lim.underscores = H1_UNDERSCORES_REFUSE;
	assert_int_equal(error_of(&lim, in, sizeof(in) - 1), H1_ERR_NAME_UNDERSCORE);
}

static void a_verdict_stays(void **state)
{
	struct http_head *h = malloc(sizeof(*h));
	char buf[256] = "GET  / HTTP/1.1\r\n" HOST "\r\n";
	struct h1_parser p;

	(void)state;
	assert_non_null(h);
	h1_request_begin(&p, false);
	assert_int_equal(h1_request_parse(&p, buf, 33, &h1_limits_default, h), H1_BAD);
	strcpy(buf, "GET / HTTP/1.1\r\n" HOST "\r\n");
	assert_int_equal(h1_request_parse(&p, buf, 33, &h1_limits_default, h), H1_BAD);
	assert_int_equal(p.error, H1_ERR_TARGET);
	free(h);
}

/* Each error can be answered: a status of a client's mistake, a word, a source. */
static void every_error_has_a_status_and_a_word(void **state)
{
	(void)state;
	for (enum h1_error e = H1_ERR_NONE + 1; e < H1_ERR_CNT; e++) {
		uint16_t s = h1_error_status(e);

		assert_true(s == 400 || s == 413 || s == 414 || s == 417 || s == 421 || s == 431 ||
			    s == 501 || s == 503 || s == 505);
		assert_true(http_status_text(s).len > 0);
		assert_true(strlen(h1_error_word(e)) > 0);
		for (enum h1_error f = H1_ERR_NONE; f < e; f++)
			assert_string_not_equal(h1_error_word(e), h1_error_word(f));
	}
}

/* ---- writing ---- */

static struct http_head *plain_head(void)
{
	struct http_head *h = calloc(1, sizeof(*h));

	assert_non_null(h);
	h->host = SPAN("a");
	h->path = SPAN("/");
	h->version = 11;
	return h;
}

static int written(const struct http_head *h)
{
	static const struct h1_request_opts opts = {.close = false};
	char buf[512];

	return h1_request_write(h, &opts, buf, sizeof(buf));
}

/* RFC 9112 11.1: whatever a policy put there. */
static void line_ends_and_nul_are_never_written(void **state)
{
	static const struct span bad_values[] = {
		{"a\rb", 3}, {"a\nb", 3}, {"a\0b", 3}, {"a\r\nX: y", 7}, {"\n", 1}, {"b\r", 2}};

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(bad_values); i++) {
		struct http_head *h = plain_head();
		struct span v = bad_values[i];
		char buf[512];

		assert_true(written(h) > 0);
		assert_int_equal(http_head_add(h, HTTP_FIELD_REFERER, v), 0);
		assert_int_equal(written(h), -EINVAL);
		assert_int_equal(h1_last_chunk_write(h, buf, sizeof(buf)), -EINVAL);
		http_head_remove(h, HTTP_FIELD_REFERER);
		assert_true(written(h) > 0);
		assert_int_equal(http_head_add_name(h, v, SPAN("x")), 0);
		assert_int_equal(written(h), -EINVAL);
		h->field_cnt = 0;
		h->host = v;
		assert_int_equal(written(h), -EINVAL);
		h->host = SPAN("a");
		h->path = v;
		assert_int_equal(written(h), -EINVAL);
		h->path = SPAN("/");
		h->has_query = true;
		h->query = v;
		assert_int_equal(written(h), -EINVAL);
		h->has_query = false;
		h->method = HTTP_OTHER;
		h->method_text = v;
		assert_int_equal(written(h), -EINVAL);
		free(h);
	}
}

static void a_target_is_one_word(void **state)
{
	struct http_head *h = plain_head();

	(void)state;
	h->path = SPAN("/a b");
	assert_int_equal(written(h), -EINVAL);
	h->path = SPAN("/a#b");
	assert_int_equal(written(h), -EINVAL);
	h->path = SPAN("");
	assert_int_equal(written(h), -EINVAL);
	h->path = SPAN("/");
	h->has_query = true;
	h->query = SPAN("a HTTP/1.1");
	assert_int_equal(written(h), -EINVAL);
	h->has_query = false;
	h->method = HTTP_CONNECT;
	assert_int_equal(written(h), -EINVAL);
	h->port = 443;
	assert_true(written(h) > 0);
	free(h);
}

static void a_buffer_too_small_is_told(void **state)
{
	static const struct h1_request_opts opts = {.close = true};
	struct http_head *h = plain_head();
	char want[512];
	int n;

	(void)state;
	h->framing = HTTP_BODY_LENGTH;
	h->length = 1234567;
	h->te_trailers = true;
	assert_int_equal(http_head_add(h, HTTP_FIELD_VIA, SPAN("1.1 weir")), 0);
	n = h1_request_write(h, &opts, want, sizeof(want));
	assert_true(n > 0);
	for (int cap = 0; cap <= n; cap++) {
		char *buf = malloc((size_t)cap + 1);

		assert_non_null(buf);
		assert_int_equal(
			h1_request_write(h, &opts, buf, (uint32_t)cap), cap < n ? -ENOSPC : n);
		if (cap == n)
			assert_memory_equal(buf, want, (size_t)n);
		free(buf);
	}
	want[n] = '\0';
	assert_string_equal(want, "GET / HTTP/1.1\r\nHost: a\r\nvia: 1.1 weir\r\n"
				  "Content-Length: 1234567\r\nTE: trailers\r\n"
				  "Connection: close, TE\r\n\r\n");
	free(h);
}

/* Fields that a policy adds by hand cannot contradict the framing. */
static void fields_of_the_codec_are_its_own(void **state)
{
	static const struct h1_request_opts opts = {.close = false};
	static const enum http_field_id own[] = {HTTP_FIELD_HOST, HTTP_FIELD_CONTENT_LENGTH,
		HTTP_FIELD_TRANSFER_ENCODING, HTTP_FIELD_CONNECTION, HTTP_FIELD_KEEP_ALIVE,
		HTTP_FIELD_UPGRADE, HTTP_FIELD_TE, HTTP_FIELD_TRAILER};
	struct http_head *h = plain_head();
	char buf[512];
	int n;

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(own); i++)
		assert_int_equal(http_head_add(h, own[i], SPAN("1")), 0);
	n = h1_request_write(h, &opts, buf, sizeof(buf) - 1);
	assert_true(n > 0);
	buf[n] = '\0';
	assert_string_equal(buf, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
	n = h1_last_chunk_write(h, buf, sizeof(buf) - 1);
	assert_true(n > 0);
	buf[n] = '\0';
	assert_string_equal(buf, H1_LAST_CHUNK);
	free(h);
}

/* Edited fields among untouched ones, which are copied in runs. */
static void edits_show_in_what_is_written(void **state)
{
	static const char in[] = "GET / HTTP/1.1\r\nA: 1\r\nB: 2\r\nC: 3\r\nHost: h\r\nD: 4\r\nE: "
				 "5\r\nF:6\r\nG: 7\r\n\r\n";
	static const struct h1_request_opts opts = {.close = false};
	struct h1_result r;
	char buf[512];
	int n;

	(void)state;
	run(in, sizeof(in) - 1, &r);
	r.head.fields[1].value = SPAN("two");
	r.head.fields[4].flags |= HTTP_F_GONE;
	assert_int_equal(http_head_add_name(&r.head, SPAN("H"), SPAN("8")), 0);
	n = h1_request_write(&r.head, &opts, buf, sizeof(buf) - 1);
	assert_true(n > 0);
	buf[n] = '\0';
	assert_string_equal(buf, "GET / HTTP/1.1\r\nHost: h\r\nA: 1\r\nB: two\r\nC: 3\r\nE: "
				 "5\r\nF: 6\r\nG: 7\r\nH: 8\r\n\r\n");
	h1_result_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_has_two_readings_is_refused),
		cmocka_unit_test(what_is_accepted_is_written_in_one_form),
		cmocka_unit_test(what_a_head_says_is_told),
		cmocka_unit_test(persistence_is_told),
		cmocka_unit_test(http_1_0_needs_no_host),
		cmocka_unit_test(a_secure_connection_takes_https),
		cmocka_unit_test(limits_hold_to_the_byte),
		cmocka_unit_test(fields_are_counted),
		cmocka_unit_test(underscores_are_treated_as_configured),
		cmocka_unit_test(a_verdict_stays),
		cmocka_unit_test(every_error_has_a_status_and_a_word),
		cmocka_unit_test(line_ends_and_nul_are_never_written),
		cmocka_unit_test(a_target_is_one_word),
		cmocka_unit_test(a_buffer_too_small_is_told),
		cmocka_unit_test(fields_of_the_codec_are_its_own),
		cmocka_unit_test(edits_show_in_what_is_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
