"""Our model beside the recipes of others, on the same synthetic cohort, split and test rows."""
