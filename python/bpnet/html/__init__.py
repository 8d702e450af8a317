"""What notebooks show of networks, models, histories and traces: plain HTML and inline SVG.

Each function returns well-formed markup that needs no script, no style sheet and nothing from outside. Text is escaped.
Lines and letters have the colour of the text around them, and fills are translucent, so that both dark and light
themes can be read.
"""
