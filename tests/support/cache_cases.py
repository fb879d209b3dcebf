# SPDX-License-Identifier: Apache-2.0
"""What a shared HTTP cache must do (REQUIRED) and had better do (OPTIONAL), as a table: each case is
a sentence, the section it comes from, and steps. A step is a request, what the origin will answer
to it, and what the client must see. cache_rules.py plays them; '@N' in a field is the date N seconds
from now, '%N' N seconds from the case's beginning.
"""

REQUIRED, OPTIONAL = 'required', 'optional'
CASES = []


class Step:
    """One request. comes: 'origin', 'cache', or 'etag'/'date' for a validated one; then: seconds to wait
    behind it."""

    def __init__(self, *fields, comes=None, then=0, **more):
        self.fields = [tuple(f.split(': ', 1)) for f in fields]
        self.comes, self.then = comes, then
        self.asked = [tuple(f.split(': ', 1)) for f in more.pop('asked', [])]
        self.method = more.pop('method', 'GET')
        self.path = more.pop('path', '')
        self.answer = {k: more.pop(k) for k in ('status', 'body', 'pause', 'close', 'interim', 'lies')
                       if k in more}
        self.seen = more.pop('seen', {})          # fields of the response: value, '>N', or None
        self.forwarded = more.pop('forwarded', {})  # fields that the origin must have got
        self.wanted_status = more.pop('wanted', None)
        self.wanted_body = more.pop('gets', None)
        self.request_body = more.pop('sends', None)
        self.wanted_interim = more.pop('interims', None)
        assert not more, more


def case(kind, section, sentence, *steps):
    CASES.append((kind, section, sentence, steps))


def must(section, sentence, *steps):
    case(REQUIRED, section, sentence, *steps)


def better(section, sentence, *steps):
    case(OPTIONAL, section, sentence, *steps)


def stored(*fields, **more):
    """A first step whose answer has these fields."""
    return Step(*fields, comes='origin', **more)


FROM_CACHE = Step(comes='cache')
FROM_ORIGIN = Step(comes='origin')
FRESH = 'Cache-Control: max-age=3600'
NOW = 'Date: @0'
BRIEF = 'Cache-Control: max-age=1'


def freshness():
    for fields, sentence in (
            ([FRESH], 'max-age'), (['Cache-Control: max-age=2147483647'], 'max-age of 2^31 - 1'),
            (['Cache-Control: max-age=2147483648'], 'max-age of 2^31'),
            (['Cache-Control: max-age=2147483649'], 'max-age of 2^31 + 1'),
            (['Cache-Control: max-age=99999999999'], 'a max-age beyond 32 bits'),
            ([FRESH, 'Expires: @-7200', NOW], 'max-age, whatever Expires says'),
            ([FRESH, 'Expires: 0', NOW], 'max-age beside an invalid Expires'),
            (['Cache-Control: foobar, max-age=3600'], 'max-age beside an unknown directive'),
            (['Cache-Control: MaX-aGe=3600'], 'max-age in any case'),
            (['Cache-Control: max-age=003600'], 'max-age with zeros before it'),
            (['Cache-Control: max-age="3600"'], 'max-age in quotes'),
            (['Cache-Control: s-maxage=3600'], 's-maxage'),
            (['Cache-Control: max-age=1, s-maxage=3600'], 's-maxage over a shorter max-age'),
            (['Cache-Control: max-age=0, s-maxage=3600', 'Expires: @-10'],
             's-maxage over max-age=0 and Expires')):
        better('9111 5.2.2', f'fresh by {sentence}', stored(*fields, then=1.2), FROM_CACHE)
    for fields, sentence in (
            (['Cache-Control: max-age=0'], 'max-age=0'),
            (['Cache-Control: max-age=0', 'Expires: @3600', NOW], 'max-age=0 beside Expires'),
            (['Cache-Control: max-age=-3600'], 'a negative max-age'),
            (["Cache-Control: max-age='3600'"], 'max-age in single quotes'),
            (['Cache-Control: max-age=3600.0'], 'a fraction of nothing'),
            (['Cache-Control: max-age=3600.5'], 'a fraction'), (['Cache-Control: max-age=a3600'], 'a letter before'),
            (['Cache-Control: max-age=3600a'], 'a letter behind'), ([FRESH, 'Date: @-7200'], 'a Date beyond max-age'),
            (['Cache-Control: extension="max-age=3600", max-age=0'], 'max-age in quotes before the real one'),
            (['Cache-Control: max-age=0, extension="max-age=3600"'], 'max-age in quotes behind the real one'),
            (['Cache-Control: max-age=3600, s-maxage=0'], 's-maxage below max-age'),
            (['Cache-Control: s-maxage=0, max-age=3600'], 's-maxage before max-age'),
            ([FRESH, 'Cache-Control: s-maxage=0'], 's-maxage in a field of its own'),
            ([FRESH, NOW, 'Age: 7200'], 'an Age beyond max-age')):
        must('9111 4.2.1', f'not fresh by {sentence}', stored(*fields), FROM_ORIGIN)
    must('9111 4.2', 'max-age ends', stored(BRIEF, then=2.2), FROM_ORIGIN)
    for fields in (['Cache-Control: max-age=1800, max-age=1'], ['Cache-Control: max-age=1, max-age=1800'],
                   ['Cache-Control: max-age=1800', BRIEF], [BRIEF, 'Cache-Control: max-age=1800']):
        must('9111 4.2.1', f'of two lifetimes the smaller: {fields}', stored(*fields, then=2.2), FROM_ORIGIN)
    must('9111 4.2.1', 's-maxage ends before max-age',
         stored('Cache-Control: max-age=3600, s-maxage=1', then=2.2), FROM_ORIGIN)


def expires():
    better('9111 5.3', 'fresh by Expires', stored('Expires: @2592000', NOW, then=1), FROM_CACHE)
    better('9111 5.3', 'fresh by Expires beside an invalid Date', stored('Date: foo', 'Expires: @10'),
           FROM_CACHE)
    for date, sentence in (('Tue, 19 Jan 2038 14:14:08 GMT', 'of 32 bits'),
                           ('Sun, 21 Nov 2286 04:46:39 GMT', 'far away'),
                           ('Thursday, 18-Aug-50 02:01:18 GMT', 'in the form of RFC 850'),
                           ('Thu Aug  8 02:01:18 2050', 'in the form of asctime'),
                           ('THU, 18 Aug 2050 02:01:18 GMT', 'with a loud day'),
                           ('Thu, 18 AUG 2050 02:01:18 GMT', 'with a loud month'),
                           ('Thu, 18 Aug 2050 02:01:18 gMT', 'with an odd zone')):
        better('9111 4.2', f'an Expires {sentence}', stored(f'Expires: {date}', NOW), FROM_CACHE)
    for date in ('0', '', 'Thu, 18 Aug 2050 02:01:18 UTC', 'Thu, 18 Aug 2050 02:01:18 AEST',
                 'Thu, 18 Aug 50 02:01:18 GMT', 'Thu 18 Aug 2050 02:01:18 GMT',
                 'Thu, 18  Aug  2050 02:01:18 GMT', 'Thu, 18-Aug-2050 02:01:18 GMT',
                 'Thu, 18 Aug 2050 02.01.18 GMT', 'Thu, 18 Aug 2050 2:01:18 GMT'):
        must('9111 5.3', f'an invalid Expires is past: "{date}"', stored(f'Expires: {date}', NOW),
             FROM_ORIGIN)
    must('9111 5.3', 'two invalid Expires', stored('Expires: Thu, 18 Aug 2050 2:01:18 GMT',
                                                   'Expires: Thu, 18 Aug 2050 2:01:19 GMT', NOW), FROM_ORIGIN)
    for fields, sentence in ((['Expires: @-2592000', NOW], 'is past'), (['Expires: @0', NOW], 'is now'),
                             (['Expires: @300', 'Date: @400'], 'is before Date'),
                             (['Expires: @10', 'Date: @-10', 'Age: 25'], 'is before Age, Date slow'),
                             (['Expires: @20', 'Date: @10', 'Age: 15'], 'is before Age, Date fast')):
        must('9111 4.2.1', f'an Expires that {sentence}', stored(*fields), FROM_ORIGIN)


def age():
    for value, sentence in (('abc', 'no number'), ('-7200', 'negative'), ('7200.0', 'a fraction'),
                            ('0, 7200', 'two, the first young'), ('0, 0', 'two, both young'),
                            ('7200;a=b', 'followed by a parameter'), ('7200;a=1', 'followed by a number')):
        must('9111 5.1', f'an Age that is {sentence} is no age', stored(NOW, FRESH, f'Age: {value}'), FROM_CACHE)
    for value in ('2147483647', '2147483648', '2147483649', '7200, 0'):
        must('9111 5.1', f'an Age of {value} is old', stored(NOW, FRESH, f'Age: {value}'), FROM_ORIGIN)
    must('9111 5.1', 'of two Age the first, old', stored(NOW, FRESH, 'Age: 7200', 'Age: 0'), FROM_ORIGIN)
    must('9111 5.1', 'of two Age the first, young', stored(NOW, FRESH, 'Age: 0', 'Age: 7200'), FROM_CACHE)
    must('9111 5.1', 'two Age that are young enough',
         stored(NOW, 'Cache-Control: max-age=10000', 'Age: 3600', 'Age: 3600'), FROM_CACHE)
    must('9111 5.1', 'what is stored is sent with its Age', stored(NOW, FRESH, then=2.2),
         Step(comes='cache', seen={'age': '>1'}))
    must('9111 4.2.3', 'Age adds to the one received (max-age)', stored(NOW, FRESH, 'Age: 30', then=2.2),
         Step(comes='cache', seen={'age': '>31'}))
    must('9111 4.2.3', 'Age adds to the one received (Expires)',
         stored(NOW, 'Expires: @2592000', 'Age: 30', then=2.2), Step(comes='cache', seen={'age': '>31'}))
    better('9111 4.2.3', 'the delay of the response counts', stored(FRESH, pause=2),
           Step(comes='cache', seen={'age': '>1'}))
    must('9110 6.6.1', 'Date stays', stored('Date: %0', FRESH, then=1.2),
         Step(comes='cache', seen={'date': '%0'}))
    must('9110 6.6.1', 'Date and Expires stay', stored('Date: %0', 'Expires: %3600', then=1.2),
         Step(comes='cache', seen={'date': '%0', 'expires': '%3600'}))


def heuristics():
    for status in (200, 203, 204, 404, 405, 410, 414, 501):
        better('9111 4.2.2', f'{status} is fresh by Last-Modified',
               stored('Last-Modified: @-86400', NOW, status=status), Step(comes='cache', wanted=status))
    for status in (201, 202, 403, 502, 503, 504, 599):
        must('9111 4.2.2', f'{status} is not fresh by Last-Modified',
             stored('Last-Modified: @-86400', NOW, status=status), FROM_ORIGIN)
    better('9111 5.2.2.9', 'public lets any status be fresh by Last-Modified',
           stored('Last-Modified: @-86400', NOW, 'Cache-Control: public', status=599),
           Step(comes='cache', wanted=599))
    for ago in (60, 600, 3600, 43200):
        better('9111 4.2.2', f'changed {ago} s ago: fresh for now', stored(f'Last-Modified: @-{ago}', NOW), FROM_CACHE)
    better('9111 5.4', 'Pragma of a response does not matter to a guess',
           stored('Last-Modified: @-10000', NOW, 'Pragma: no-cache'), FROM_CACHE)
    better('6266 4', 'an attachment is guessed about', stored(
        'Last-Modified: @-100000', NOW, 'Content-Disposition: attachment; filename=a.txt'), FROM_CACHE)
    better('6266 4', 'an attachment is reused', stored(FRESH, 'Content-Disposition: attachment; filename=a.txt'),
           FROM_CACHE)
    must('9111 4.2.2', 'nothing said, nothing stored', stored(then=0.2), FROM_ORIGIN)


def statuses():
    for status in (200, 203, 204, 299, 301, 302, 303, 307, 308, 400, 404, 410, 499, 500, 502, 503, 504, 599):
        better('9111 3', f'{status} with a lifetime is reused', stored(FRESH, NOW, status=status),
               Step(comes='cache', wanted=status))
        must('9111 4.2', f'{status} that is stale is not', stored('Expires: @-5000', 'Last-Modified: @-100000', NOW,
                                                                  status=status), FROM_ORIGIN)
    must('9111 5.2.2.3', 'must-understand, and it is not',
         stored('Cache-Control: max-age=3600, no-store, must-understand', status=599), FROM_ORIGIN)
    better('9111 5.2.2.3', 'must-understand, and it is',
           stored('Cache-Control: max-age=3600, no-store, must-understand'), FROM_CACHE)


def directives():
    for value in ('no-store', 'No-StOrE', 'max-age=10000, no-store', 'private, max-age=3600',
                  'no-cache, max-age=10000', 'max-age=10000, No-CaChE'):
        must('9111 5.2.2', f'not reused: {value}', stored(f'Cache-Control: {value}', 'Expires: @10000', NOW),
             FROM_ORIGIN)
    for value in ('no-cache', 'max-age=10000, no-cache'):
        better('9111 5.2.2.4', f'stored, and validated at each use: {value}',
               stored(f'Cache-Control: {value}', 'ETag: "abcd"'),
               Step(f'Cache-Control: {value}', 'ETag: "abcd"', comes='etag'))
    better('9111 5.2.2.2', 'must-revalidate is reused while fresh',
           stored('Cache-Control: max-age=10000, must-revalidate', 'ETag: "a"'), FROM_CACHE)
    must('9111 5.2.2.2', 'must-revalidate is validated when stale',
         stored('Cache-Control: max-age=1, must-revalidate', 'ETag: "a"', then=2.2),
         Step('ETag: "a"', comes='etag'))
    for name in ('no-cache', 'private'):
        must('9111 5.2.2', f'{name}="a, b" keeps these fields out',
             stored(f'Cache-Control: {name}="a, B"', FRESH, 'a: 1', 'b: 2', 'c: 3'),
             Step(comes='cache', seen={'a': None, 'b': None, 'c': '3'}))
    must('9111 4', 'the origin says no-store: what is stored stays',
         stored(FRESH, 'a: 1'), Step('Cache-Control: no-store', asked=['Cache-Control: no-cache']), FROM_CACHE)
    must('9111 4', 'the same with max-age=0', stored(FRESH, 'a: 1'),
         Step('Cache-Control: no-store, max-age=0', asked=['Cache-Control: no-cache']), FROM_CACHE)
    better('9111 5.2.2.4', 'no-cache is validated whatever its lifetime',
           stored('Cache-Control: max-age=10000, no-cache', 'Expires: @10000', NOW, 'ETag: "abcd"'),
           Step('ETag: "abcd"', NOW, comes='etag'))
    for asked, sentence in (('max-age=0', 'max-age=0'), ('max-age=1', 'a smaller max-age'), ('no-cache', 'no-cache'),
                            ('no-store', 'no-store'), ('min-fresh=4000', 'min-fresh')):
        must('9111 5.2.1', f'the request asks with {sentence}', stored(FRESH, then=2.2),
             Step(asked=[f'Cache-Control: {asked}'], comes='origin'))
    must('9111 5.2.1.1', 'the request asks for a max-age below Age', stored(FRESH, 'Age: 1800'),
         Step(asked=['Cache-Control: max-age=600'], comes='origin'))
    must('9111 5.2.1.3', 'the request asks for more than is left', stored('Cache-Control: max-age=1500', 'Age: 1000'),
         Step(asked=['Cache-Control: min-fresh=1000'], comes='origin'))
    better('9111 5.2.1.2', 'max-stale takes what is stale', stored(BRIEF, then=2.2),
           Step(asked=['Cache-Control: max-stale=1000'], comes='cache'))
    for fields, kind in ((['ETag: "a"'], 'etag'), (['Last-Modified: %-10000', NOW], 'date')):
        better('9111 5.2.1.4', f'no-cache validates by {kind}', stored(FRESH, *fields),
               Step(*fields, asked=['Cache-Control: no-cache'], comes=kind))
    better('9111 5.2.1.7', 'only-if-cached, and nothing is', Step(asked=['Cache-Control: only-if-cached'], wanted=504))
    better('9111 5.2.1.7', 'only-if-cached, and it is', stored(FRESH),
           Step(asked=['Cache-Control: only-if-cached'], comes='cache'))
    better('9111 5.4', 'an unknown Pragma of a request means nothing', stored(FRESH),
           Step(asked=['Pragma: foo'], comes='cache'))
    better('9111 5.4', 'Pragma of a response means nothing', stored(FRESH, 'Pragma: no-cache'), FROM_CACHE)


def targeted():
    cdn = 'CDN-Cache-Control: '
    for fields, sentence in (
            ([cdn + 'max-age=3600'], 'max-age'), ([cdn + 'max-age=2147483648'], 'max-age of 2^31'),
            ([cdn + 'max-age=99999999999'], 'a max-age beyond 32 bits'),
            ([cdn + 'foobar, max-age=3600'], 'max-age beside an unknown directive'),
            ([cdn + 'max-age=3600;x=1, y=(1 2);z'], 'max-age with parameters beside a list'),
            ([cdn + 'max-age=3600', 'Expires: @-10000', NOW], 'max-age over Expires'),
            ([cdn + 'max-age=3600', 'Expires: 0', NOW], 'max-age over an invalid Expires'),
            (['Cache-Control: max-age=0', cdn + 'max-age=3600'], 'max-age over Cache-Control'),
            (['Cache-Control: no-store', cdn + 'max-age=3600'], 'max-age over no-store')):
        better('9213 2', f'targeted: fresh by {sentence}', stored(*fields), FROM_CACHE)
    for fields, sentence in (
            ([NOW, cdn + 'max-age=3600', 'Age: 7200'], 'Age beyond it'), ([cdn + 'max-age=0'], 'max-age=0'),
            ([cdn + 'max-age=0', 'Expires: @10000', NOW], 'max-age=0 over Expires'),
            ([FRESH, cdn + 'max-age=0'], 'max-age=0 over Cache-Control'),
            ([FRESH, cdn + 'private'], 'private'), ([FRESH, cdn + 'no-cache'], 'no-cache'),
            ([FRESH, cdn + 'no-store'], 'no-store'),
            ([cdn + 'max-age=10000, &&&&&', 'Cache-Control: no-store'], 'no structured field'),
            ([cdn + 'max-age=10000,', 'Cache-Control: no-store'], 'a comma at the end'),
            ([cdn + 'max-age="10000"', 'Cache-Control: no-store'], 'a value of a wrong type'),
            ([cdn + 'max-age =100', 'Cache-Control: max-age=0'], 'a blank before the sign'),
            ([cdn + 'max-age= 100', 'Cache-Control: max-age=0'], 'a blank behind the sign'),
            ([cdn + 'MaX-aGe=3600'], 'a key in capitals')):
        must('9213 2', f'targeted: not reused by {sentence}', stored(*fields), FROM_ORIGIN)
    beyond = [BRIEF, cdn + 'max-age=10000', 'Date: %0', 'Expires: %1']
    better('9213 2', 'targeted: beyond Cache-Control, Age is told and Date and Expires stay', stored(*beyond, then=2.2),
           Step(comes='cache', seen={'age': '>1', 'date': '%0', 'expires': '%1'}))
    better('9213 3', 'targeted: passed on', stored(FRESH, cdn + 'foo', seen={'cdn-cache-control': 'foo'}))


def vary():
    language = 'Accept-Language: '

    def of(*names):
        return [FRESH, 'Last-Modified: %-3000', NOW, 'Vary: ' + ', '.join(names)]

    def pair(first, second, comes, *names):
        return (stored(*of(*names), asked=first), Step(asked=second, comes=comes))

    three = ['Foo: 1', 'Bar: abc', 'Baz: 789']
    better('9111 4.1', 'a variant is reused', *pair(['Foo: 1'], ['Foo: 1'], 'cache', 'Foo'))
    better('9111 4.1', 'other fields do not matter',
           *pair(['Foo: 1', 'Other: 2'], ['Foo: 1', 'Other: 3'], 'cache', 'Foo'))
    better('9111 4.1', 'a variant of two', *pair(three[:2], three[:2], 'cache', 'Foo', 'Bar'))
    better('9111 4.1', 'a variant of three', *pair(three, three, 'cache', 'Foo', 'Bar', 'Baz'))
    better('9111 4.1', 'a field that both lack',
           *pair([three[0], three[2]], [three[0], three[2]], 'cache', 'Foo', 'Bar', 'Baz'))
    better('9111 4.1', 'fields are combined', *pair(['Foo: 1, 2'], ['Foo: 1', 'Foo: 2'], 'cache', 'Foo'))
    better('9111 4.1', 'blanks are removed', *pair(['Foo: 1,2'], ['Foo: 1, 2'], 'cache', 'Foo'))
    for other, sentence in (('de, en', 'order'), ('eN, De', 'case'), ('en ,   de', 'blanks')):
        better('9111 4.1', f'languages: {sentence} does not matter',
               *pair([language + 'en, de'], [language + other], 'cache', 'Accept-Language'))
    must('9110 12.5.5', 'languages: another wish is another variant, whatever Content-Language says',
         stored(*of('Accept-Language'), 'Content-Language: de', asked=[language + 'en, de']),
         Step(asked=[language + 'fr;q=0.5, de;q=1.0'], comes='origin'))
    better('9111 4.1', 'codings: order and case do not matter',
           *pair(['Accept-Encoding: gzip, br'], ['Accept-Encoding: BR,gzip'], 'cache', 'Accept-Encoding'))
    better('9111 4.1', 'two variants are kept', stored(*of('Foo'), asked=['Foo: 1'], body='one'),
           stored(*of('Foo'), asked=['Foo: 2'], body='two'), Step(asked=['Foo: 1'], comes='cache', gets='one'))
    for first, second, names, sentence in (
            (['Foo: 1'], ['Foo: 2'], ['Foo'], 'another value'), ([], ['Foo: 1'], ['Foo'], 'a field more'),
            (['Foo: 1'], [], ['Foo'], 'a field less'), (three[:2], ['Foo: 2', 'Bar: abc'], ['Foo', 'Bar'], 'one of two'),
            (three[:2], [], ['Foo', 'Bar'], 'neither of two'), (three, ['Foo: 2'] + three[1:], ['Foo', 'Bar', 'Baz'],
                                                               'one of three'),
            (three, ['Foo: 1', 'Baz: 789', 'Bar: abcde'], ['Foo', 'Bar', 'Baz'], 'a longer value'),
            (['Foo: "a,b"'], ['Foo: "a, b"'], ['Foo'], 'a blank in quotes')):
        must('9111 4.1', f'not the same variant: {sentence}', *pair(first, second, 'origin', *names))
    for lines in (['*'], ['*, *'], ['*', '*'], [', *'], ['', '*'], ['*, Foo'], ['Foo, *']):
        must('9111 4.1', f'Vary with a star: {lines}', stored(FRESH, *[f'Vary: {v}' for v in lines], asked=['Foo: 1']),
             Step(asked=['Foo: 1'], comes='origin'))


def conditions():
    tags = ('"abcdef"', 'W/"abcdef"')
    for tag in tags:
        better('9111 4.3.2', f'If-None-Match is answered: {tag}', stored(FRESH, f'ETag: {tag}'),
               Step(asked=[f'If-None-Match: {tag}'], comes='cache', wanted=304))
        better('9111 4.3.1', f'a stale response is validated by {tag}', stored(BRIEF, f'ETag: {tag}', then=2.2),
               Step(FRESH, f'ETag: {tag}', comes='etag', forwarded={'if-none-match': tag}), FROM_CACHE)
    must('9110 15.4.5', 'a 304 has the ETag', stored(FRESH, 'ETag: "a"'),
         Step(asked=['If-None-Match: "a"'], comes='cache', wanted=304, seen={'etag': '"a"'}))
    must('9110 13.2.2', 'If-None-Match goes before If-Modified-Since',
         stored(FRESH, 'ETag: "a"', 'Last-Modified: %-5000', NOW),
         Step(asked=['If-None-Match: "a"', 'If-Modified-Since: @-1'], comes='cache', wanted=304))
    must('9110 13.2.2', 'and decides alone', stored(FRESH, 'ETag: "a"', 'Last-Modified: %-5000', NOW),
         Step(asked=['If-None-Match: "b"', 'If-Modified-Since: @-1'], comes='cache', wanted=200))
    for place, value in (('first', '"a", "1", "2"'), ('middle', '"1", "a", "2"'), ('last', '"1", "2", "a"')):
        better('9111 4.3.2', f'of several tags the {place}', stored(FRESH, 'ETag: "a"'),
               Step(asked=[f'If-None-Match: {value}'], comes='cache', wanted=304))
    for since, sentence in (('%-3000', 'the same'), ('%-2000', 'a later')):
        better('9111 4.3.2', f'If-Modified-Since with {sentence} date', stored(FRESH, 'Last-Modified: %-3000', NOW),
               Step(asked=[f'If-Modified-Since: {since}'], comes='cache', wanted=304))
    better('9111 4.3.2', 'If-Modified-Since and no Last-Modified', stored(FRESH, 'Date: @-10'),
           Step(asked=['If-Modified-Since: @0'], comes='cache', wanted=304))
    better('9111 4.3.2', 'a stale response is validated for who asks with a date',
           stored(BRIEF, 'Last-Modified: %-3000', NOW, then=2.2),
           Step(FRESH, 'Last-Modified: %-3000', NOW, asked=['If-Modified-Since: %-3000'], comes='date', wanted=304))
    better('9111 4.3.2', 'If-Modified-Since in the form of RFC 850',
           stored(FRESH, 'Last-Modified: Wed, 01 Jan 2020 00:00:00 GMT', NOW),
           Step(asked=['If-Modified-Since: Wednesday, 01-Jan-20 00:00:00 GMT'], comes='cache', wanted=304))
    must('9111 4.3.2', 'without Last-Modified the Date decides', stored(FRESH, 'Date: @-10'),
         Step(asked=['If-Modified-Since: @-3000'], comes='cache', wanted=200))
    must('9111 4.3.2', 'a condition on what is not stored is the origin\'s',
         Step(asked=['If-None-Match: "a"'], comes='origin', forwarded={'if-none-match': '"a"'}))
    must('9111 4.3.1', 'a validation has the fields that Vary names',
         stored('Expires: @1', 'ETag: "a"', NOW, 'Vary: Abc', asked=['Abc: 123'], then=2.2),
         Step('ETag: "a"', NOW, 'Vary: Abc', asked=['Abc: 123'], comes='etag', forwarded={'abc': '123'}))
    must('9111 4.3.1', 'another variant is not validated by this one', stored(
        'Expires: @1', 'ETag: "a"', NOW, 'Vary: Abc', asked=['Abc: 123'], then=2.2),
         Step(asked=['Abc: 456'], comes='origin', forwarded={'if-none-match': None}))
    must('9111 4.3.3', 'a new response replaces what is stale', stored(BRIEF, 'ETag: "a"', body='old', then=2.2),
         Step(FRESH, 'ETag: "b"', body='new', gets='new'), Step(comes='cache', gets='new'))
    must('9110 13.1.1', 'If-Match is for the origin', stored(FRESH, 'ETag: "a"'),
         Step(asked=['If-Match: "a"'], comes='origin'))


def refreshes():
    must('9111 4.3.4', 'a 304 keeps what it does not name',
         stored(BRIEF, 'Last-Modified: %-9000', NOW, 'Test: A', then=2.2),
         Step('Last-Modified: %-9000', NOW, comes='date', seen={'test': 'A'}))
    for name, old, new in (('Test-Header', 'A', 'B'), ('X-Test-Header', 'A', 'B'), ('Content-Foo', 'A', 'B'),
                           ('X-Content-Foo', 'A', 'B'), ('Cache-Control', 'max-age=1', 'max-age=3600'),
                           ('Expires', 'Fri, 01 Jan 2038 01:01:01 GMT', 'Mon, 11 Jan 2038 11:11:11 GMT'),
                           ('Content-Security-Policy', "default-src 'self'", "default-src 'self' b.example"),
                           ('X-Frame-Options', 'deny', 'sameorigin'), ('Content-Location', '/foo', '/bar'),
                           ('Clear-Site-Data', '"cache"', '"cookies"'), ('Set-Cookie2', 'a=b', 'a=c')):
        brief = [] if name == 'Cache-Control' else ['Cache-Control: max-age=2']
        must('9111 3.2', f'a 304 updates {name}', stored(NOW, 'ETag: "a"', f'{name}: {old}', *brief, then=3.2),
             Step(NOW, 'ETag: "a"', f'{name}: {new}', *brief, comes='etag', seen={name.lower(): new}),
             Step(comes='cache', seen={name.lower(): new}))
    must('9111 3.2', 'a 304 does not update Content-Length', stored(BRIEF, 'ETag: "a"', body='12345', then=2.2),
         Step(FRESH, 'ETag: "a"', 'Content-Length: 10', comes='etag', gets='12345'),
         Step(comes='cache', seen={'content-length': '5'}, gets='12345'))
    must('9111 4.3.4', 'a 304 about another ETag is not believed', stored(BRIEF, 'ETag: "a"', body='old', then=2.2),
         Step(FRESH, 'ETag: "b"', lies=True, body='new', wanted=200, gets='new'), Step(gets='new'))
    better('9111 4.3.5', 'a HEAD makes what it describes fresh again', stored(BRIEF, 'T: 1', 'ETag: "a"', then=2.2),
           Step(FRESH, 'T: 2', 'ETag: "a"', method='HEAD', forwarded={':method': 'HEAD'}),
           Step(comes='cache', seen={'t': '2'}))
    better('9111 4', 'a HEAD is answered by what GET stored', stored(FRESH), Step(method='HEAD', comes='cache'))


def fields():
    must('9111 3.1', 'what Connection names is not stored',
         stored('Connection: a, b', 'a: 1', 'b: 2', 'c: 3', FRESH),
         Step(comes='cache', seen={'c': '3', 'a': None, 'b': None}))
    for name, value in (('Test-Header', 'x'), ('X-Test-Header', 'x'), ('Content-Foo', 'x'), ('X-Content-Foo', 'x'),
                        ('Content-Encoding', 'x-unknown'), ('Content-Location', '/bar'),
                        ('Content-MD5', 'N7UdGUp1E+RbVvZSTy1R8g=='), ('Content-Range', 'x'),
                        ('Content-Security-Policy', "default-src 'self'"), ('Content-Type', 'text/plain;charset=utf-8'),
                        ('Clear-Site-Data', 'cookies'), ('ETag', '"ghijkl"'),
                        ('Expires', 'Mon, 11 Jan 2038 11:11:11 GMT'), ('Public-Key-Pins', 'x'), ('Set-Cookie2', 'a=c'),
                        ('X-Frame-Options', 'sameorigin'), ('X-XSS-Protection', '1; mode=block')):
        must('9111 3.1', f'{name} is stored', stored(NOW, f'{name}: {value}', FRESH),
             Step(comes='cache', seen={name.lower(): value}))
    must('9111 3.1', 'Cache-Control is stored', stored(NOW, FRESH), Step(comes='cache', seen={'cache-control': FRESH[15:]}))
    must('9112 6.3', 'what is longer than it said is cut, and nothing else',
         stored(NOW, 'Content-Length: 5', FRESH, body='1234567890', gets='12345'),
         Step(comes='cache', gets='12345', seen={'content-length': '5'}), Step(path='/x', comes='origin'))
    must('9112 6.1', 'a response in an unknown coding is refused (our rule)',
         Step('Transfer-Encoding: x', FRESH, wanted=502), Step(comes='origin'))
    for name in ('Upgrade', 'Keep-Alive', 'Proxy-Authenticate', 'Proxy-Authentication-Info', 'Proxy-Authorization',
                 'Proxy-Connection', 'TE'):
        must('9111 3.1', f'{name} is not stored', stored(NOW, f'{name}: x', FRESH),
             Step(comes='cache', seen={name.lower(): None}))
    must('9111 7.3', 'Set-Cookie: such a response is for its own client (our rule, see README)',
         stored('Set-Cookie: a=b', FRESH), FROM_ORIGIN)
    better('9111 4', 'a request with a cookie is answered', stored(FRESH), Step(asked=['Cookie: a=b'], comes='cache'))


def ranges():
    whole = dict(body='0123456789A')
    for asked, gets, place in (('bytes=0-1', '01', 'bytes 0-1/11'), ('bytes=1-', '123456789A', 'bytes 1-10/11'),
                               ('bytes=-1', 'A', 'bytes 10-10/11'), ('bytes=5-99', '56789A', 'bytes 5-10/11')):
        better('9110 14.2', f'a range of what is stored: {asked}', stored(FRESH, 'A: 1', **whole),
               Step(asked=[f'Range: {asked}'], comes='cache', wanted=206, gets=gets,
                    seen={'content-range': place, 'a': '1'}))
    better('9110 15.5.17', 'a range beyond it', stored(FRESH, **whole),
           Step(asked=['Range: bytes=11-'], comes=None, wanted=416, seen={'content-range': 'bytes */11'}))
    for asked in ('bytes=0-1,3-4', 'bytes=x-1', 'bytes=5-4', 'lines=0-1'):
        must('9110 14.2', f'a Range that is not answered gets the whole: {asked}', stored(FRESH, **whole),
             Step(asked=[f'Range: {asked}'], comes='cache', wanted=200, gets=whole['body']))
    part = dict(status=206, body='01234', asked=['Range: bytes=-5'])
    must('9110 15.3.7', 'a part that is shorter than it says is not stored',
         stored(FRESH, 'Content-Range: bytes 4-9/10', **part), stored(FRESH, 'Content-Range: bytes 4-9/10', **part))
    must('9111 3.4', 'a part without a validator is not put together with another',
         stored(FRESH, 'Content-Range: bytes 0-4/10', **part), Step(comes='origin', forwarded={'range': None}))
    for value, status in (('"a"', 206), ('"b"', 200), ('W/"a"', 200)):
        must('9110 13.1.5', f'If-Range {value}', stored(FRESH, 'ETag: "a"', **whole),
             Step(asked=['Range: bytes=0-1', f'If-Range: {value}'], comes='cache', wanted=status))
    must('9111 3.3', 'a 206 is not taken for the whole', stored(
        FRESH, 'Content-Range: bytes 0-1/11', status=206, body='01', asked=['Range: bytes=0-1']), FROM_ORIGIN)
    better('9111 4.3', 'a range of what is stale is validated', stored(BRIEF, 'ETag: "a"', then=2.2, **whole),
           Step(FRESH, 'ETag: "a"', asked=['Range: bytes=0-1'], comes='etag', wanted=206, gets='01',
                forwarded={'range': None}))


def invalidation():
    for method in ('POST', 'PUT', 'DELETE', 'M-SEARCH'):
        must('9111 4.4', f'{method} invalidates', stored(FRESH, NOW), Step(method=method, sends='abc'), FROM_ORIGIN)
        better('9111 4.4', f'{method} that fails does not', stored(FRESH, NOW),
               Step(method=method, sends='abc', status=500), FROM_CACHE)
    for method in ('PUT', 'DELETE', 'M-SEARCH'):
        for name in ('Location', 'Content-Location'):
            better('9111 4.4', f'{method} invalidates what {name} names', stored(FRESH, NOW, path='/other'),
                   Step(name + ': /{key}/other', method=method, sends='a', path='/x'), Step(path='/other', comes='origin'))
    must('9110 9.3.3', 'a POST with its own Content-Location is not stored (our rule)',
         Step('Expires: @3600', NOW, 'Content-Location: /{key}', method='POST', sends='a'), FROM_ORIGIN)
    for name, value in (('Location', '/{key}/other'), ('Content-Location', '/{key}/other'),
                        ('Location', 'https://{host}/{key}/other'), ('Content-Location', 'other#x')):
        better('9111 4.4', f'POST invalidates what {name} names: {value}', stored(FRESH, NOW, path='/other'),
               Step(f'{name}: {value}', method='POST', sends='a', path='/x'), Step(path='/other', comes='origin'))
    must('9111 4.4', 'what another origin names stays', stored(FRESH, NOW, path='/other'),
         Step('Location: https://other.example/{key}/other', method='POST', sends='a', path='/x'),
         Step(path='/other', comes='cache'))
    better('9111 4.4', 'OPTIONS does not invalidate', stored(FRESH), Step(method='OPTIONS'), FROM_CACHE)


def stale():
    lost = dict(close=True)
    better('9111 4.2.4', 'a stale response when the origin is away', stored(BRIEF, then=2.2),
           Step(comes='cache', **lost))
    for value in ('must-revalidate', 'proxy-revalidate', 'no-cache', 's-maxage=1'):
        must('9111 4.2.4', f'not stale, by {value}', stored(f'Cache-Control: max-age=1, {value}', then=2.2),
             Step(wanted=502, **lost))
    better('5861 4', 'stale-if-error when the origin closes', stored('Cache-Control: max-age=1, stale-if-error=60',
                                                                     then=2.2), Step(comes='cache', **lost))
    better('5861 4', 'stale-if-error when the origin says 503',
           stored('Cache-Control: max-age=1, stale-if-error=600', then=2.2), Step(status=503, comes='cache', wanted=200))
    must('9111 4.2.4', 'a 503 is passed on without stale-if-error', stored(BRIEF, then=2.2),
         Step(status=503, comes='origin', wanted=503))
    must('5861 4', 'stale-if-error ends', stored('Cache-Control: max-age=1, stale-if-error=0', then=3.2),
         Step(status=503, comes='origin', wanted=503))
    refreshing = 'Cache-Control: max-age=1, stale-while-revalidate=60'
    better('5861 3', 'stale-while-revalidate answers at once, and the next is new',
           stored(refreshing, 'ETag: "a"', then=2.2), Step(FRESH, 'ETag: "b"', comes='cache', then=1),
           Step(comes='cache', seen={'etag': '"b"'}))
    must('5861 3', 'stale-while-revalidate ends', stored('Cache-Control: max-age=1, stale-while-revalidate=1', then=3.2),
         FROM_ORIGIN)


def others():
    asked = ['Authorization: FOO']
    must('9111 3.5', 'a response to Authorization is not reused', stored(FRESH, NOW, asked=asked), FROM_ORIGIN)
    for value in ('max-age=3600, public', 'max-age=3600, must-revalidate', 's-maxage=3600'):
        better('9111 3.5', f'but is by {value}', stored(f'Cache-Control: {value}', NOW, asked=asked), FROM_CACHE)
    must('9111 2', 'another query is another key', stored(FRESH, path='?a=1'), Step(path='?a=2', comes='origin'))
    better('9111 2', 'the same query is the same key', stored(FRESH, path='?a=1'), Step(path='?a=1', comes='cache'))
    for interim in ([102, []], [103, [['link', '</s.css>; rel=preload'], ['x-hint', 'a']]]):
        better('9110 15.2', f'{interim[0]} is passed on and the final response stored, without it or its fields',
               stored(FRESH, interim=[interim], interims=[interim], seen={'x-hint': None}),
               Step(comes='cache', interims=[], seen={'x-hint': None, 'link': None}))
    must('9211 2', 'Cache-Status tells a miss', stored(FRESH, seen={'cache-status': '~fwd=uri-miss; fwd-status=200'}))
    must('9211 2', 'Cache-Status tells a hit', stored(FRESH), Step(seen={'cache-status': '~; hit; ttl='}))
    must('9211 2', 'Cache-Status tells a validation', stored(BRIEF, 'ETag: "a"', then=2.2),
         Step(FRESH, 'ETag: "a"', comes='etag', seen={'cache-status': '~fwd=stale; fwd-status=304; stored'}))


for part in (freshness, expires, age, heuristics, statuses, directives, targeted, vary, conditions, refreshes, fields,
             ranges, invalidation, stale, others):
    part()
