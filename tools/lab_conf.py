# SPDX-License-Identifier: Apache-2.0
"""Reads and writes as much of libconfig as a node's configuration uses.

A group is a dict, a list or array a list; strings, whole numbers and booleans are themselves. Not
read: @include, floating point.
"""
import re

_TOKEN = re.compile(r'\s+|#[^\n]*|//[^\n]*|/\*.*?\*/|(?P<string>"(?:[^"\\]|\\.)*")'
                    r'|(?P<word>[A-Za-z*][\w*-]*)|(?P<number>[-+]?(?:0[xX][0-9a-fA-F]+|\d+)L{0,2})'
                    r'|(?P<mark>[{}()\[\]=:;,])', re.S)
_CLOSING = {'(': ')', '[': ']'}


def _tokens(text):
    at, out = 0, []
    while at < len(text):
        match = _TOKEN.match(text, at)
        if not match:
            line = text.count('\n', 0, at) + 1
            raise ValueError(f'line {line}: cannot read {text[at:at + 20]!r}')
        if match.lastgroup:
            out.append((match.lastgroup, match.group(0)))
        at = match.end()
    return out


def _group(tokens):
    group = {}
    while tokens and tokens[0][1] != '}':
        kind, name = tokens.pop(0)
        if kind != 'word' or not tokens or tokens.pop(0)[1] not in '=:':
            raise ValueError(f'a setting is wanted at {name!r}')
        group[name] = _value(tokens)
        if tokens and tokens[0][1] in ';,':
            tokens.pop(0)
    return group


def _list(tokens, closing):
    rows = []
    while tokens and tokens[0][1] != closing:
        rows.append(_value(tokens))
        if tokens and tokens[0][1] == ',':
            tokens.pop(0)
    if not tokens:
        raise ValueError(f'{closing!r} is missing')
    tokens.pop(0)
    return rows


def _value(tokens):
    if not tokens:
        raise ValueError('a value is missing at the end')
    kind, text = tokens.pop(0)
    if text == '{':
        group = _group(tokens)
        if not tokens or tokens.pop(0)[1] != '}':
            raise ValueError("'}' is missing")
        return group
    if text in _CLOSING:
        return _list(tokens, _CLOSING[text])
    if kind == 'string':
        while tokens and tokens[0][0] == 'string':
            text = text[:-1] + tokens.pop(0)[1][1:]
        return re.sub(r'\\(.)', r'\1', text[1:-1])
    if kind == 'number':
        return int(text.rstrip('L'), 0)
    if text.lower() in ('true', 'false'):
        return text.lower() == 'true'
    raise ValueError(f'a value is wanted at {text!r}')


def parse(text):
    """The settings of a file."""
    return _group(_tokens(text))


def _write(value, indent):
    pad = '\t' * indent
    if isinstance(value, bool):
        return 'true' if value else 'false'
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return '"' + value.replace('\\', '\\\\').replace('"', '\\"') + '"'
    if isinstance(value, dict):
        rows = ''.join(f'{pad}\t{k} = {_write(v, indent + 1)};\n' for k, v in value.items())
        return '{\n' + rows + pad + '}'
    if value and isinstance(value[0], dict):
        rows = ',\n'.join(pad + '\t' + _write(v, indent + 1) for v in value)
        return '(\n' + rows + '\n' + pad + ')'
    marks = '[]' if value else '()'
    return marks[0] + ', '.join(_write(v, indent) for v in value) + marks[1]


def text_of(conf):
    """The file that says conf."""
    return ''.join(f'{name} = {_write(value, 0)};\n' for name, value in conf.items())


def merge(base, over):
    """base with over's settings; groups are merged, everything else replaced."""
    out = dict(base)
    for name, value in over.items():
        both = isinstance(value, dict) and isinstance(out.get(name), dict)
        out[name] = merge(out[name], value) if both else value
    return out


def set_path(conf, path, text):
    """Sets one value by its dotted path; text is a whole number, true, false, or a string."""
    *groups, last = path.split('.')
    for group in groups:
        conf = conf.setdefault(group, {})
        if not isinstance(conf, dict):
            raise ValueError(f'{path}: {group} is not a group')
    if re.fullmatch(r'-?\d+', text):
        conf[last] = int(text)
    else:
        conf[last] = {'true': True, 'false': False}.get(text, text)
