"""The declarative inventory of provinces, carriers, facilities and cameras.

model        typed, frozen values: what the files may say
files        the files as text: their layout, strict YAML, positions, edits, older revisions
explanation  a refusal by the model as a problem with a place and a hint; JSON Schemas
allocate     addresses and ports that are recorded once
outline      what the rest of an inventory has to know of a facility
rules        what one file's model cannot say
loader       from files to values, with every problem that the files have
"""
