"""The nouns that the stages hand to each other. Stages import nouns, never each other."""
