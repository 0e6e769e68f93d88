/* SPDX-License-Identifier: Apache-2.0
 * Requests: what is accepted and what it means, what is refused and why; every row in one piece,
 * cut at every byte and byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_has_two_readings_is_refused),
		cmocka_unit_test(what_is_accepted_is_written_in_one_form),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
