"Draws people with and without masks"
