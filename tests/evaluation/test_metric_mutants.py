"""Every metric of features has a known answer that turns red when a line of the metric is wrong."""

import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

import pytest

from tests.evaluation import (
    test_authenticity,
    test_birthday,
    test_c2st,
    test_cells,
    test_clipped,
    test_inception_score,
    test_linear,
    test_mmd,
    test_observables,
    test_vendi,
)
from veridical.evaluation import (
    authenticity,
    birthday,
    c2st,
    cells,
    clipped,
    clipped_calibration,
    inception_score,
    linear,
    mmd,
    observables,
    vendi,
)


class Mutant(NamedTuple):
    """A wrong line, and the test that notices it."""

    module: ModuleType
    function: str
    before: str
    after: str
    test: Callable[..., Any]
    arguments: tuple[Any, ...] = ()


MUTANTS = {
    "radii are not clipped": Mutant(
        clipped,
        "clipped",
        "ball.radius.clamp(max=float(ball.radius.median()))",
        "ball.radius",
        test_clipped.test_it_is_the_definition,
        (3,),
    ),
    "samples count more than once": Mutant(
        clipped, "clipped", "(counts / k).clamp(max=1.0)", "(counts / k)", test_clipped.test_it_is_the_definition, (3,)
    ),
    "only the nearest of equally near real examples count": Mutant(
        clipped,
        "_own_score",
        "own.distance[:, -1] <= radius",
        "own.distance[:, -1] < 0.0",
        test_clipped.test_ties_count_among_real_examples_as_among_samples,
    ),
    "coverage is not clipped": Mutant(
        clipped, "_covered", ".clamp(max=k)", "", test_clipped.test_it_is_the_definition, (3,)
    ),
    "coverage is not calibrated": Mutant(
        clipped_calibration,
        "calibrated",
        "np.asarray(np.interp(covered, expected_coverage(good, n_real, k), good)) / m",
        "np.asarray(covered)",
        test_clipped.test_values_read_as_the_share_of_good_samples,
        (1.0,),
    ),
    "balls hold k - 1 examples": Mutant(
        clipped_calibration,
        "expected_coverage",
        "special.betaln(k + j, n_real - k + m - j)",
        "special.betaln(k - 1 + j, n_real - k + m - j)",
        test_clipped.test_the_expectation_is_beta_binomial,
        (4,),
    ),
    "a variance of one sample": Mutant(
        cells, "z_scores", "(1 / n + 1 / m)", "(1 / n)", test_cells.test_two_proportions_by_hand
    ),
    "divergence of one side": Mutant(
        cells,
        "jensen_shannon",
        "(entropy[1] + entropy[2]) / 2",
        "entropy[1]",
        test_cells.test_disjoint_cells_and_uneven,
    ),
    "empty bins are different": Mutant(
        cells, "cell_shares", "/ count,", "/ len(total),", test_cells.test_disjoint_cells
    ),
    "no prior of the classes": Mutant(
        linear,
        "LinearDiscriminant.__init__",
        "(counts.double() / len(rows)).log() - ",
        "-",
        test_linear.test_it_is_that_of_scikit_learn,
    ),
    "the diagonal is a pair": Mutant(
        mmd, "kernel_discrepancies", "= 0.0\n", "+= 0.0\n", test_mmd.test_it_is_the_definition_in_one_block
    ),
    "pairs are counted with themselves": Mutant(
        mmd, "_discrepancy", "max(1, n - 1)", "n", test_mmd.test_it_is_the_definition_in_one_block
    ),
    "fitted where it is measured": Mutant(
        c2st, "accuracies", "fold != k, fold == k", "fold == k, fold == k", test_c2st.test_labels_do_not_enter_the_folds
    ),
    "both labels count as one": Mutant(
        c2st,
        "same_label",
        "(same & ~a).sum(dim=1) / exchange.m",
        "(same & ~a).sum(dim=1) / exchange.n",
        test_c2st.test_same_label_by_hand_of_the_rarer,
    ),
    "order two is order one": Mutant(
        vendi,
        "vendi",
        "1 / float(values.square().sum())",
        "math.exp(entropy)",
        test_vendi.test_groups_of_equal_examples,
    ),
    "rows are not normalised": Mutant(
        vendi, "normalised", "rows.double() / length", "rows.double()", test_vendi.test_both_forms_agree
    ),
    "groups in the order of the rows": Mutant(
        inception_score,
        "inception_score",
        "[torch.randperm(len(log_p), generator=torch.Generator().manual_seed(seed))]",
        "",
        test_inception_score.test_the_order_of_rows_does_not_matter,
    ),
    "entropy of the mean only": Mutant(
        inception_score,
        "informations",
        " - weights @ entropies(log_p)",
        "",
        test_inception_score.test_it_is_the_mean_divergence,
    ),
    "the nearest training example is itself": Mutant(
        authenticity, "authentic", ", exclude=rows", "", test_authenticity.test_it_is_the_definition
    ),
    "pairs in both orders": Mutant(
        birthday,
        "collisions",
        "rows + start < columns",
        "rows + start != columns",
        test_birthday.test_every_pair_counts_once,
    ),
    "support without the factor one half": Mutant(
        birthday, "support", "math.comb(n, 2)", "n * n", test_birthday.test_the_support_of_a_uniform_distribution
    ),
    "one bond per site": Mutant(
        observables,
        "observe",
        " - _mean(s * s.roll(-1, 1))",
        "",
        test_observables.test_expectations_are_those_of_all_configurations,
        ((4, 4),),
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_it_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module, path, before, after, test, arguments = MUTANTS[name]
    function = path.rpartition(".")[2]
    owner = getattr(module, path.partition(".")[0]) if "." in path else module
    source = inspect.cleandoc("\n" + inspect.getsource(getattr(owner, function)))
    assert before in source
    namespace = dict(vars(module))
    exec(source.replace(before, after), namespace)
    monkeypatch.setattr(owner, function, namespace[function])
    if owner is module:
        monkeypatch.setattr(inspect.getmodule(test), function, namespace[function], raising=False)
    with pytest.raises(AssertionError):
        test(*arguments)
