"""The workflow: passes results from stage to stage; it alone knows them all."""
