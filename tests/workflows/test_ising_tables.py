"""Tables of the lattice: aligned columns, what is missing, the verdict last."""

from veridical.ising import sample
from veridical.ising.check import check
from veridical.workflows.ising import exact_rows
from veridical.workflows.ising_tables import check_lines, exact_lines


def test_the_exact_table_is_aligned_and_names_what_diverges() -> None:
    rows = exact_rows([(2, 2), (3, 4)], 0.4)
    rows[-1]["specific_heat"] = None  # as at the critical point
    head, *lines = list(exact_lines(rows, 0.4))
    assert "0.4" in head and len({len(line) for line in lines}) == 1
    assert (
        [line.split("  ")[0] or line.split()[0] for line in lines[1:3]] and "2 x 2" in lines[1] and "3 x 4" in lines[2]
    )
    assert "diverges" in lines[3] and f"{rows[0]['log_partition']:.8f}" in lines[1]


def test_every_test_has_a_line_and_the_verdict_is_last() -> None:
    report = check(sample(4, 1000, 0.0, seed=0), 0.0)
    lines = list(check_lines(report))
    assert sum("passes" in line or "FAILS" in line for line in lines) == len(report.tests)
    assert " ".join(lines[lines.index("") + 1 :]) == report.verdict
