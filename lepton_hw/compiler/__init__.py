"""The only package that imports finn: runs its real steps and turns their result into plain values.

Nothing here simulates, synthesises or talks to a vendor tool.
"""
