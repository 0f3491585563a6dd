"""What a chain does, in numbers and in pictures: `response` measures, `drawing` and `canvas` draw."""
