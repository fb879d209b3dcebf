# SPDX-License-Identifier: Apache-2.0
"""What the house checks share: which files are ours, a scanner of C, how findings are told.

A finding is `file:line: what; cure`. A check prints its findings and exits 1 when there are any.
Every check takes paths: it still reads the whole tree, but tells only of findings below them.
"""
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def files(*suffixes):
    """Our files with one of the suffixes (all without), as paths below the root, sorted."""
    git = ['git', '-c', 'safe.directory=*', '-C', ROOT]
    out = subprocess.run(git + ['ls-files', '-co', '--exclude-standard', '-z'], check=True,
                         capture_output=True).stdout.decode()
    names = sorted(set(n for n in out.split('\0') if n))
    return [n for n in names if os.path.isfile(os.path.join(ROOT, n))
            and (not suffixes or n.endswith(suffixes))]


def read(name):
    """The text of one of our files."""
    with open(os.path.join(ROOT, name), encoding='utf-8', errors='replace') as file:
        return file.read()


def room_of(name):
    """The room (folder) of a file: dataplane/tcp/tcp.h is in dataplane/tcp."""
    return os.path.dirname(name)


class Findings:
    """Collects findings and tells them; paths given on the command line limit what is told."""

    def __init__(self):
        self.only = [os.path.relpath(os.path.abspath(a), ROOT) for a in sys.argv[1:]
                     if not a.startswith('-')]
        self.rows = []
        self.warnings = []

    def wants(self, name):
        """True when the file lies below a path of the command line, or none was given."""
        return not self.only or any(o == '.' or name == o or name.startswith(o + '/')
                                    for o in self.only)

    def add(self, name, line, what, cure):
        """An error."""
        if self.wants(name):
            self.rows.append((name, line, f'{what}; {cure}'))

    def warn(self, name, line, what, cure):
        """Worth knowing, never fails."""
        if self.wants(name):
            self.warnings.append((name, line, f'{what}; {cure}'))

    def finish(self, summary):
        """Prints everything and exits."""
        for name, line, text in sorted(set(self.warnings)):
            print(f'{name}:{line}: warning: {text}')
        for name, line, text in sorted(set(self.rows)):
            print(f'{name}:{line}: {text}')
        tool = os.path.basename(sys.argv[0])
        count = len(set(self.rows))
        print(f'{tool}: {summary}: {count} finding{"" if count == 1 else "s"}')
        sys.exit(1 if count else 0)


_TOKENS = re.compile(r'//(?:[^\n\\]|\\.)*|/\*.*?\*/|"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'',
                     re.S | re.M)


def blank_comments(text, keep_strings=False):
    """C text with comments (and the insides of strings) blanked; newlines stay in place."""
    def blank(match):
        token = match.group(0)
        if token[0] in '"\'':
            return token if keep_strings else token[0] + ' ' * (len(token) - 2) + token[0]
        return re.sub(r'[^\n]', ' ', token)
    return _TOKENS.sub(blank, text)


def blank_directives(text):
    """C text with preprocessor lines (and their continuations) blanked."""
    return re.sub(r'^[ \t]*#(?:[^\n\\]|\\.|\\\n)*',
                  lambda m: re.sub(r'[^\n]', ' ', m.group(0)), text, flags=re.M | re.S)


class Function:
    """One function of a C file: definition (has a body) or prototype."""

    def __init__(self, name, arguments, first, last, head, is_definition, depth):
        self.name = name
        self.arguments = arguments          # count; 0 for (void)
        self.first, self.last = first, last  # lines, from the declaration's first to its last
        self.head = head                    # text before the name: static, inline, type
        self.is_definition = is_definition
        self.depth = depth                  # braces inside braces of the body

    @property
    def lines(self):
        """Lines from the declaration to the closing brace."""
        return self.last - self.first + 1


def count_arguments(text):
    """How many arguments an argument list has."""
    if text.strip() in ('', 'void'):
        return 0
    depth, count = 0, 1
    for char in text:
        depth += char in '([{'
        depth -= char in ')]}'
        count += char == ',' and depth == 0
    return count


_HEAD = re.compile(r'^(?P<head>(?:[A-Za-z_][\w \t\n\*]*?[\s\*])?)(?P<name>[A-Za-z_]\w*)\s*\(', re.S)


def _closing(text, start):
    """Index of the parenthesis that closes the one at start."""
    depth = 0
    for at in range(start, len(text)):
        depth += text[at] == '('
        depth -= text[at] == ')'
        if depth == 0:
            return at
    return len(text) - 1


def _function_of(chunk, offset, line_of, end, body_depth):
    """The function that a top-level chunk of text declares or defines, or None."""
    stripped = chunk.strip()
    match = _HEAD.match(stripped)
    if not match or not match['head'].strip():
        return None
    words = match['head'].split()
    if words[0] in ('typedef', 'return', 'else', 'struct' if len(words) == 1 else ''):
        return None
    open_at = match.end() - 1
    close_at = _closing(stripped, open_at)
    rest = stripped[close_at + 1:].strip()
    is_plain = not rest or rest.startswith('__attribute')
    if rest.startswith(('(', '=')) or (body_depth is None and not is_plain):
        return None
    first = line_of(offset + len(chunk) - len(chunk.lstrip()))
    return Function(match['name'], count_arguments(stripped[open_at + 1:close_at]), first,
                    line_of(end), match['head'], body_depth is not None, body_depth or 0)


def functions(text):
    """Definitions and prototypes at file scope, in order."""
    code = blank_directives(blank_comments(text))
    starts = [0] + [m.end() for m in re.finditer('\n', code)]

    def line_of(at):
        low, high = 0, len(starts)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if starts[middle] <= at else (low, middle)
        return low + 1

    found, depth, deepest, begin, head_end = [], 0, 0, 0, 0
    for at, char in enumerate(code):
        if char == '{':
            if depth == 0:
                head_end = at
            depth += 1
            deepest = max(deepest, depth)
        elif char == '}':
            depth -= 1
            if depth == 0:
                function = _function_of(code[begin:head_end], begin, line_of, at, deepest - 1)
                if function:
                    found.append(function)
                    begin = at + 1
                deepest = 0
        elif char == ';' and depth == 0:
            function = _function_of(code[begin:at], begin, line_of, at, None)
            if function:
                found.append(function)
            begin, deepest = at + 1, 0
    return found
