"""The words of the product: facts of a record, the interruption, its label, risk and errors.

Standard library only; no clock, no input or output.
"""
