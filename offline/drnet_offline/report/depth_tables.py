"""The tables of the report of `drnet bag`."""

from __future__ import annotations

from html import escape
from typing import Any

from drnet_offline.report.figure_words import explained
from drnet_offline.report.page import html_table
from drnet_offline.report.sparse_words import sparse_problems, sparse_words
from drnet_offline.report.tables import figure_rows

__all__ = ['deviations', 'results', 'settings', 'sparse_depth', 'words']


def results(summary: dict[str, Any]) -> str:
    """Return warnings, and the figures of all variants."""
    kinds = [f'{count} frames: {kind}' for kind, count in summary['problems'].items()]
    parts = [f'<div class="warning">{escape(text)}</div>' for text in summary['warnings'] + kinds]
    rows = [
        [variant['name'] if not row else '', *cells]
        for variant in summary['variants']
        for row, cells in enumerate(figure_rows(variant))
    ]
    if rows:
        head = ('', 'protocol', 'over', 'RMSE [m]', 'REL', 'log10', 'delta1', 'delta2', 'delta3')
        parts.append(html_table(head, rows))
        descriptions = '; '.join(summary['protocols'].values())
        parts.append(f'<p class="note">Pixels that count: {escape(descriptions)}.</p>')
    steadiness = _steadiness_table(summary)
    if not rows and not steadiness:
        parts.append('<p class="note">Nothing could be measured on these frames.</p>')
    return '\n'.join([*parts, steadiness])


def words(summary: dict[str, Any]) -> str:
    """Explain the figures that are on the page."""
    names = []
    if any(variant['steadiness'] for variant in summary['variants']):
        names = ['scale step', 'flicker']
    if any(variant['figures'] for variant in summary['variants']):
        figures = ('REL', 'delta1', 'RMSE', 'log10', 'scale', 'scaled', 'coverage')
        names = [*figures, *names]
    if any(variant['within'] for variant in summary['variants']):
        names.append('standard deviation')
    if any(variant['sparse_depth'] is not None for variant in summary['variants']):
        names += ['scale error', 'converged']
    return explained(names)


def sparse_depth(summary: dict[str, Any]) -> str:
    """Return what the sources of sparse depth did."""
    topics = ', '.join(f'{k} on {v}' for k, v in summary['topics']['sparse_depth'].items())
    parts = [f'<p>{escape(topics)}.</p>', _sparse_table(summary)]
    for variant in summary['variants']:
        about = variant['sparse_depth']
        if about is None:
            continue
        parts.append(f'<p>{escape(variant["name"])}: {escape(sparse_words(about))}.</p>')
        parts += [f'<div class="warning">{escape(t)}</div>' for t in sparse_problems(about)]
    return '\n'.join(parts)


def deviations(summary: dict[str, Any]) -> str:
    """Return how many pixels lie within the stated standard deviations."""
    rows = [
        [variant['name'], f'{within["one_stddev"]:.1%}', f'{within["two_stddev"]:.1%}']
        for variant in summary['variants']
        if (within := variant['within'])
    ]
    return html_table(('pixels within', 'one', 'two'), rows)


def settings(summary: dict[str, Any]) -> str:
    """Return the command line, and everything that the figures depend on."""
    parts = [f'<pre>{escape(summary["command"])}</pre>']
    for variant in summary['variants']:
        about = ', '.join(f'{name} {value}' for name, value in variant['estimator'].items())
        rows = [[name, _plain(value)] for name, value in variant['settings'].items()]
        parts.append(
            f'<p>{escape(variant["name"])}: {escape(about)}, weights sha256 '
            f'{variant["weights_sha256"][:16]}</p><details><summary>all parameters</summary>'
            f'{html_table(("parameter", "value"), rows)}</details>'
        )
    versions = ', '.join(f'{name} {value}' for name, value in summary['versions'].items())
    parts.append(f'<p class="note">{escape(versions)}</p>')
    return '\n'.join(parts)


def _plain(value: Any) -> str:
    """Return the value of a parameter as one would write it into a parameter file."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f'[{", ".join(map(_plain, value))}]'
    return str(value)


def _sparse_table(summary: dict[str, Any]) -> str:
    rows = []
    for variant in summary['variants']:
        about = variant['sparse_depth'] or {}
        error = about.get('scale_error') or {}
        figures: dict[str, float] = next(iter(variant['figures'].values()), {})
        rows.append(
            [
                variant['name'],
                _cell(figures.get('rmse'), '.3f'),
                _cell(figures.get('rel'), '.3f'),
                _cell(figures.get('delta1'), '.3f'),
                _cell(error.get('with_sources'), '.1%'),
                _cell(error.get('image_alone'), '.1%'),
                _cell(error.get('won'), '.0%'),
                _cell(about.get('points_median'), '.0f'),
                _cell(about.get('converged_s'), '.2f'),
            ]
        )
    head = ('', 'RMSE [m]', 'REL', 'delta1', 'scale error', 'image alone', 'won', 'points')
    return html_table((*head, 'converged [s]'), rows)


def _steadiness_table(summary: dict[str, Any]) -> str:
    sources = [('recorded depth', {'steadiness': summary['recorded_depth_steadiness']})]
    sources += [(variant['name'], variant) for variant in summary['variants']]
    rows = []
    for name, values in sources:
        scale, steady = values.get('scale') or {}, values['steadiness']
        if not scale and not steady:
            continue
        rows.append(
            [
                name,
                _cell(scale.get('median'), '.3f'),
                f'{scale["p5"]:.3f} to {scale["p95"]:.3f}' if scale else '',
                _cell(values.get('coverage') if scale else None, '.1%'),
                _cell(steady.get('step_percent_median'), '.2f'),
                _cell(steady.get('step_percent_p95'), '.2f'),
                _cell(steady.get('flicker_percent_median'), '.2f'),
            ]
        )
    head = ('', 'scale', '5 to 95 %', 'coverage', 'scale step [%]', 'its 95 %', 'flicker [%]')
    return html_table(head, rows) if rows else ''


def _cell(value: float | None, form: str) -> str:
    return '' if value is None else format(value, form)
