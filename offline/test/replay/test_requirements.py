"""`drnet bag --require`: the exit code says whether depth is good enough."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from known_scenes import RunInProcess, Scene, load, write

from drnet_offline.errors import OfflineError
from drnet_offline.replay.requirements import (
    Requirement,
    RequirementError,
    check_requirements,
    parse_requirements,
)


def summary(scored: int = 7, **figures: float) -> dict[str, Any]:
    variant = {'figures': {'eigen': figures, 'full': {}}, 'coverage': 0.9}
    return {'frames_scored': scored, 'variants': [variant, {}]}


def test_words_are_figure_comparison_and_number() -> None:
    assert parse_requirements(['rel<=0.15', ' delta1 >= 8e-1 ', 'rmse<1', 'coverage>0.5']) == [
        Requirement('rel', '<=', 0.15),
        Requirement('delta1', '>=', 0.8),
        Requirement('rmse', '<', 1.0),
        Requirement('coverage', '>', 0.5),
    ]


@pytest.mark.parametrize('word', ['rel', 'rel=0.15', '0.15>=rel', 'rel<=', 'rel<=0.1.5', ''])
def test_other_words_are_refused(word: str) -> None:
    with pytest.raises(OfflineError, match=r"must be such as 'rel<=0\.15'"):
        parse_requirements([word])


def test_a_figure_that_does_not_exist_is_refused_with_what_was_meant() -> None:
    with pytest.raises(OfflineError, match=r'did you mean delta1\?'):
        parse_requirements(['delta_1>=0.8'])


def test_all_that_is_missed_is_named() -> None:
    wanted = parse_requirements(['rel<=0.15', 'delta1>=0.8', 'coverage>=0.95'])
    check_requirements(wanted[:2], summary(rel=0.15, delta1=0.8))
    with pytest.raises(RequirementError) as caught:
        check_requirements(wanted, summary(rel=0.2105, delta1=0.9))
    assert str(caught.value) == (
        'required but not reached (eigen, 7 frames): rel must be at most 0.15, got 0.2105; '
        'coverage must be at least 0.95, got 0.9'
    )
    check_requirements([], summary(scored=0))
    with pytest.raises(RequirementError, match='needs recorded depth'):
        check_requirements(wanted, summary(scored=0))
    with pytest.raises(RequirementError, match='got nan'):
        check_requirements(wanted[:1], summary(rel=float('nan')))


@pytest.mark.slow
@pytest.mark.usefixtures('known_network')
def test_the_exit_code_is_that_of_the_requirement(tmp_path: Path, drnet: RunInProcess) -> None:
    bag = write(tmp_path / 'bag', Scene.make())
    out = tmp_path / 'out.json'
    assert drnet('bag', bag, '--json', out)[0] == 0
    rel = load(out)['variants'][0]['figures']['full']['rel']
    assert drnet('bag', bag, '--require', f'rel<={rel + 1e-6}')[0] == 0
    code, said = drnet('bag', bag, '--require', f'rel<={rel - 1e-6}')
    assert code == 1
    assert 'required but not reached (full, ' in said
    assert 'rel must be at most' in said
    code, said = drnet('bag', bag, '--require', 'rel~0.15')
    assert code == 1
    assert 'REL' not in said  # refused before anything is computed
