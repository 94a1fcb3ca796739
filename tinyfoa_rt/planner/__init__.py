"""A model and options -> a plan.

``layout``, ``footprint``, ``search``, ``accounts`` and ``storage_layout`` know bytes and no graph; ``task`` resolves the options,
``costs`` counts what the search asks for, ``refusal`` and ``runnable`` say what cannot be planned.
"""
