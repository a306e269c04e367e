"""Parameters as people write them. Read `yaml_file`: a YAML file, however hostile -> plain keys and values."""
