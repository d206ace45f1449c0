"""The command line: parse, call what is below, print, set the exit code. No stages are put in order here."""

from provisioner.base.import_path import leave_relative_folders

leave_relative_folders()
