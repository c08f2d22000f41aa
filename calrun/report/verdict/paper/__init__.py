"""The papers' printed results, as data: one YAML per paper, read by `calrun.report.verdict.printed`."""
