"""A plan for people and for programs: table, chart, JSON."""

from tinyfoa_rt.planner.report.chart import render_chart
from tinyfoa_rt.planner.report.json_form import dumps, to_json
from tinyfoa_rt.planner.report.read_json import read_plan
from tinyfoa_rt.planner.report.table import print_plan

__all__ = ["dumps", "print_plan", "read_plan", "render_chart", "to_json"]
