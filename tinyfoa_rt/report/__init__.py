"""Plans and training for people: sentences, tables, charts, a progress bar."""

from tinyfoa_rt.report.chart import render_chart
from tinyfoa_rt.report.choice import suggest
from tinyfoa_rt.report.table import print_plan

__all__ = ["print_plan", "render_chart", "suggest"]
