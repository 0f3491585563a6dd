"""The command line: a command a page, typer around them, rich only where a terminal shows a moving bar."""
