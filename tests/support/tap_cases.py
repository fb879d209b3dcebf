# SPDX-License-Identifier: Apache-2.0
"""Cases of a client program, told as TAP.

    @case('a sentence')
    def name(): assert ...

    tell_cases((AssertionError, OSError))
"""
CASES = []  # (sentence, function), in the order in which they were written


def case(sentence):
    """Makes a function a case."""
    def add(function):
        CASES.append((sentence, function))
        return function
    return add


def tell_cases(errors, run=lambda function: function()):
    """Runs each case by run and tells how it ended; errors are those that a case may fail by."""
    for number, (sentence, function) in enumerate(CASES, 1):
        try:
            run(function)
            print(f'ok {number} - {sentence}', flush=True)
        except errors as error:
            text = str(error).replace('\n', ' ')
            print(f'not ok {number} - {sentence}\n# {type(error).__name__}: {text}', flush=True)
    print(f'1..{len(CASES)}')
