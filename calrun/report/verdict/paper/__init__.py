"""The papers' printed results, as data: one YAML a paper, read by `calrun.report.verdict.printed`."""
