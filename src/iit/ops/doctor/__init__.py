"""Finding the cause when something is wrong: many small questions, asked without starting or changing anything."""
