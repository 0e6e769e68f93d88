/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/l7/http/date.h"

#define DAY 86400

static const char month_names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
static const char day_names[] = "ThuFriSatSunMonTueWed"; /* 1970-01-01 was a Thursday */

struct when {
	int64_t year;
	uint32_t month, day, hour, min, sec; /* month 0-11, day 1-31 */
};

/* A text that is consumed from the left; any mismatch leaves it bad for good. */
struct scan {
	const char *at, *end;
	bool bad;
};

static void skip(struct scan *s, const char *text, size_t len)
{
	/* RFC 9111 4.2: fields of dates are matched without regard to case. */
	if (s->bad || (size_t)(s->end - s->at) < len || strncasecmp(s->at, text, len) != 0) {
		s->bad = true;
		return;
	}
	s->at += len;
}

static uint32_t digits(struct scan *s, uint32_t n)
{
	uint32_t v = 0;

	if (s->bad || (size_t)(s->end - s->at) < n) {
		s->bad = true;
		return 0;
	}
	for (uint32_t i = 0; i < n; i++, s->at++) {
		if (*s->at < '0' || *s->at > '9') {
			s->bad = true;
			return 0;
		}
		v = v * 10 + (uint32_t)(*s->at - '0');
	}
	return v;
}

static uint32_t name_of(struct scan *s, const char *names, uint32_t cnt)
{
	if (s->bad || s->end - s->at < 3) {
		s->bad = true;
		return 0;
	}
	for (uint32_t i = 0; i < cnt; i++) {
		if (strncasecmp(s->at, names + (size_t)3 * i, 3) == 0) {
			s->at += 3;
			return i;
		}
	}
	s->bad = true;
	return 0;
}

static void clock_time(struct scan *s, struct when *w)
{
	w->hour = digits(s, 2);
	skip(s, ":", 1);
	w->min = digits(s, 2);
	skip(s, ":", 1);
	w->sec = digits(s, 2);
}

static bool leap(int64_t y)
{
	return (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
}

static bool possible(const struct when *w)
{
	static const uint8_t len[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	uint32_t days = len[w->month] + (w->month == 1 && leap(w->year) ? 1u : 0u);

	/* A second of 60 is a leap second. */
	return w->year >= 1601 && w->day >= 1 && w->day <= days && w->hour < 24 && w->min < 60 &&
	       w->sec <= 60;
}

/* Days from 1970-01-01, by years that begin in March so that the leap day is the last of a year. */
static int64_t days_of(int64_t y, uint32_t month, uint32_t day)
{
	uint32_t m = (month + 10) % 12; /* March: 0 */
	int64_t era, yoe, doy;

	y -= m >= 10;
	era = y / 400; /* years are positive */
	yoe = y - era * 400;
	doy = (153 * (int64_t)m + 2) / 5 + day - 1;
	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static int64_t seconds(const struct when *w)
{
	return days_of(w->year, w->month, w->day) * DAY + (int64_t)w->hour * 3600 +
	       (int64_t)w->min * 60 + w->sec;
}

/* "Sun, 06 Nov 1994 08:49:37 GMT", the day's name consumed. */
static void rest_fixdate(struct scan *s, struct when *w)
{
	skip(s, ", ", 2);
	w->day = digits(s, 2);
	skip(s, " ", 1);
	w->month = name_of(s, month_names, 12);
	skip(s, " ", 1);
	w->year = digits(s, 4);
	skip(s, " ", 1);
	clock_time(s, w);
	skip(s, " GMT", 4);
}

/* "Sunday, 06-Nov-94 08:49:37 GMT", the first three letters consumed. */
static void rest_rfc850(struct scan *s, struct when *w, uint32_t weekday, int64_t now)
{
	static const char *const tails[] = {
		"rsday", "day", "urday", "day", "day", "sday", "nesday"};
	int64_t ahead;

	skip(s, tails[weekday], strlen(tails[weekday]));
	skip(s, ", ", 2);
	w->day = digits(s, 2);
	skip(s, "-", 1);
	w->month = name_of(s, month_names, 12);
	skip(s, "-", 1);
	w->year = 1900 + digits(s, 2);
	skip(s, " ", 1);
	clock_time(s, w);
	skip(s, " GMT", 4);
	ahead = now + INT64_C(50) * 36525 * DAY / 100;
	while (!s->bad && w->year < 9900 && days_of(w->year + 100, w->month, w->day) * DAY <= ahead)
		w->year += 100;
}

/* "Sun Nov  6 08:49:37 1994", the day's name consumed. */
static void rest_asctime(struct scan *s, struct when *w)
{
	skip(s, " ", 1);
	w->month = name_of(s, month_names, 12);
	skip(s, " ", 1);
	if (!s->bad && s->at < s->end && *s->at == ' ') {
		s->at++;
		w->day = digits(s, 1);
	} else {
		w->day = digits(s, 2);
	}
	skip(s, " ", 1);
	clock_time(s, w);
	skip(s, " ", 1);
	w->year = digits(s, 4);
}

int64_t http_date_parse(struct span text, int64_t now)
{
	const char *at = text.len > 0 ? text.at : "";
	struct scan s = {at, at + text.len, false};
	struct when w = {0};
	uint32_t weekday;

	weekday = name_of(&s, day_names, 7);
	if (s.bad || s.at == s.end)
		return HTTP_DATE_NONE;
	if (*s.at == ',')
		rest_fixdate(&s, &w);
	else if (*s.at == ' ')
		rest_asctime(&s, &w);
	else
		rest_rfc850(&s, &w, weekday, now);
	if (s.bad || s.at != s.end || !possible(&w))
		return HTTP_DATE_NONE;
	return seconds(&w);
}

static void put2(char *p, uint32_t v)
{
	p[0] = (char)('0' + v / 10);
	p[1] = (char)('0' + v % 10);
}

void http_date_format(int64_t t, char out[HTTP_DATE_LEN])
{
	int64_t days = t / DAY - (t % DAY < 0), sec = t - days * DAY;
	int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097, doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), m = (5 * doy + 2) / 153;
	uint32_t day = (uint32_t)(doy - (153 * m + 2) / 5 + 1), month = (uint32_t)(m + 2) % 12;
	uint32_t year = (uint32_t)(yoe + era * 400 + (month < 2)), weekday;

	weekday = (uint32_t)(((days % 7) + 7) % 7);
	memcpy(out, "Thu, 00 Jan 0000 00:00:00 GMT", HTTP_DATE_LEN);
	memcpy(out, day_names + (size_t)3 * weekday, 3);
	put2(out + 5, day);
	memcpy(out + 8, month_names + (size_t)3 * month, 3);
	put2(out + 12, year / 100);
	put2(out + 14, year % 100);
	put2(out + 17, (uint32_t)sec / 3600);
	put2(out + 20, (uint32_t)sec / 60 % 60);
	put2(out + 23, (uint32_t)sec % 60);
}
