"""A plan for people and for programs: table, chart, JSON."""

from tinyfoa_rt.planner.report.chart import render_chart
from tinyfoa_rt.planner.report.json_form import dumps, parse_plan, read_plan, to_json
from tinyfoa_rt.planner.report.table import print_plan

__all__ = ["dumps", "parse_plan", "print_plan", "read_plan", "render_chart", "to_json"]
