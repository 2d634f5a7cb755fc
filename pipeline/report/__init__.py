"""The report of a run: one HTML file that loads nothing and runs nothing. `page` fills `page.html.jinja`, `samples` draws rows to
look at. To add a section, compute it in `pipeline/findings/` and print it in the template, where everything is escaped.
"""
