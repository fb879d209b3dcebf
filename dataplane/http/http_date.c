// SPDX-License-Identifier: Apache-2.0
// HTTP dates (RFC 9110 5.6.7): IMF-fixdate out; IMF-fixdate, RFC 850 and asctime in. Days are
// counted in the proleptic Gregorian calendar; no time zone, no locale, no libc clock.
#include "check.h"
#include "http.h"

static const char day_names[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char *const long_day_names[7] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
					      "Thursday", "Friday", "Saturday"};
static const char month_names[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
					"Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

struct date {
	unsigned year, month, day; // month 1..12, day 1..31
	unsigned hour, minute, second;
};

// Days since 1970-01-01 of a date; years start in March so that the leap day is last.
static int64_t days_of(const struct date *d)
{
	int64_t year = (int64_t)d->year - (d->month <= 2);
	int64_t era = year / 400, year_of_era = year % 400;
	int64_t day_of_year =
		(153 * ((int64_t)d->month + (d->month > 2 ? -3 : 9)) + 2) / 5 + d->day - 1;
	return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 +
	       day_of_year - 719468;
}

// The date of days since 1970-01-01 (not negative).
static void date_of(uint64_t days, struct date *d)
{
	uint64_t z = days + 719468, era = z / 146097, doe = z % 146097;
	uint64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	uint64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
	d->day = (unsigned)(doy - (153 * mp + 2) / 5 + 1);
	d->month = (unsigned)(mp < 10 ? mp + 3 : mp - 9);
	d->year = (unsigned)(yoe + era * 400 + (d->month <= 2));
}

static char *put_digits(char *at, unsigned value, unsigned digits)
{
	for (unsigned i = digits; i > 0; i--, value /= 10)
		at[i - 1] = (char)('0' + value % 10);
	return at + digits;
}

static char *put_text(char *at, const char *text)
{
	while (*text)
		*at++ = *text++;
	return at;
}

char *http_date(uint64_t wall_s, char out[30])
{
	if (wall_s > 253402300799u) // the end of year 9999
		wall_s = 253402300799u;
	struct date d;
	uint64_t days = wall_s / 86400;
	unsigned left = (unsigned)(wall_s % 86400);
	date_of(days, &d);
	char *at = put_text(out, day_names[(days + 4) % 7]);
	at = put_digits(put_text(at, ", "), d.day, 2);
	at = put_text(put_text(put_text(at, " "), month_names[d.month - 1]), " ");
	at = put_text(put_digits(at, d.year, 4), " ");
	at = put_text(put_digits(at, left / 3600, 2), ":");
	at = put_text(put_digits(at, left / 60 % 60, 2), ":");
	at = put_text(put_digits(at, left % 60, 2), " GMT");
	*at = 0;
	return out;
}

// A sticky reader of a date's text: each step leaves ok false when the text is something else.
struct date_reader {
	struct slice text;
	bool ok;
};

static void skip_text(struct date_reader *r, struct slice text)
{
	r->ok = r->ok && slice_starts(r->text, text);
	r->text = slice_skip(r->text, text.bytes);
}

static unsigned read_digits(struct date_reader *r, unsigned digits)
{
	unsigned value = 0;
	r->ok = r->ok && r->text.bytes >= digits;
	for (unsigned i = 0; r->ok && i < digits; i++) {
		r->ok = r->text.at[i] >= '0' && r->text.at[i] <= '9';
		value = value * 10 + (unsigned)(r->text.at[i] - '0');
	}
	r->text = slice_skip(r->text, digits);
	return value;
}

static unsigned read_month(struct date_reader *r)
{
	for (unsigned i = 0; i < 12; i++)
		if (slice_starts(r->text, slice_str(month_names[i]))) {
			r->text = slice_skip(r->text, 3);
			return i + 1;
		}
	r->ok = false;
	return 1;
}

static void read_clock(struct date_reader *r, struct date *d)
{
	d->hour = read_digits(r, 2);
	skip_text(r, SLICE(":"));
	d->minute = read_digits(r, 2);
	skip_text(r, SLICE(":"));
	d->second = read_digits(r, 2);
}

// "06 Nov 1994 08:49:37 GMT" behind the day's name
static void read_imf(struct date_reader *r, struct date *d)
{
	d->day = read_digits(r, 2);
	skip_text(r, SLICE(" "));
	d->month = read_month(r);
	skip_text(r, SLICE(" "));
	d->year = read_digits(r, 4);
	skip_text(r, SLICE(" "));
	read_clock(r, d);
	skip_text(r, SLICE(" GMT"));
}

// "06-Nov-94 08:49:37 GMT" behind the day's name. Two digits mean 1970..2069.
static void read_rfc850(struct date_reader *r, struct date *d)
{
	d->day = read_digits(r, 2);
	skip_text(r, SLICE("-"));
	d->month = read_month(r);
	skip_text(r, SLICE("-"));
	unsigned year = read_digits(r, 2);
	d->year = year < 70 ? 2000 + year : 1900 + year;
	skip_text(r, SLICE(" "));
	read_clock(r, d);
	skip_text(r, SLICE(" GMT"));
}

// "Nov  6 08:49:37 1994" behind the day's name
static void read_asctime(struct date_reader *r, struct date *d)
{
	d->month = read_month(r);
	skip_text(r, SLICE(" "));
	bool is_padded = r->text.bytes > 0 && r->text.at[0] == ' ';
	if (is_padded)
		skip_text(r, SLICE(" "));
	d->day = read_digits(r, is_padded ? 1 : 2);
	skip_text(r, SLICE(" "));
	read_clock(r, d);
	skip_text(r, SLICE(" "));
	d->year = read_digits(r, 4);
}

static bool is_real(const struct date *d)
{
	static const uint8_t days[12] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool is_leap = d->year % 4 == 0 && (d->year % 100 != 0 || d->year % 400 == 0);
	return d->year >= 1970 && d->day >= 1 && d->day <= days[d->month - 1] &&
	       (d->month != 2 || d->day <= 28 || is_leap) && d->hour < 24 && d->minute < 60 &&
	       d->second <= 60;
}

// Takes the day's name and what separates it; returns the reader of the form that follows.
static void (*form_of(struct slice *text))(struct date_reader *, struct date *)
{
	for (unsigned i = 0; i < 7; i++) {
		struct slice brief = slice_str(day_names[i]), full = slice_str(long_day_names[i]);
		if (slice_starts(*text, full) &&
		    slice_starts(slice_skip(*text, full.bytes), SLICE(", "))) {
			*text = slice_skip(*text, full.bytes + 2);
			return read_rfc850;
		}
		if (!slice_starts(*text, brief))
			continue;
		*text = slice_skip(*text, 3);
		if (slice_starts(*text, SLICE(", "))) {
			*text = slice_skip(*text, 2);
			return read_imf;
		}
		bool is_asctime = slice_starts(*text, SLICE(" "));
		*text = slice_skip(*text, 1);
		return is_asctime ? read_asctime : NULL;
	}
	return NULL;
}

bool http_date_parse(struct slice text, uint64_t *wall_s)
{
	struct date date = {0};
	struct date_reader reader = {.ok = true};
	void (*read_form)(struct date_reader *, struct date *) = form_of(&text);
	if (!read_form)
		return false;
	reader.text = text;
	read_form(&reader, &date);
	if (!reader.ok || reader.text.bytes > 0 || !is_real(&date))
		return false;
	*wall_s = (uint64_t)days_of(&date) * 86400 + date.hour * 3600 + date.minute * 60 +
		  date.second;
	return true;
}
