"""What reads models where they are imported: a process that may run another interpreter, and has the ORM alone.

Nothing here imports anything but the standard library and the ORM. What is read goes out as JSON in the shape of
`schemas.model`, where the words used here are explained.
"""
