import importlib.util
import sys
from pathlib import Path

# One module of fakes for the tests here and for the processes that they start and kill.
_spec = importlib.util.spec_from_file_location("embed_fakes", Path(__file__).with_name("fakes.py"))
_module = importlib.util.module_from_spec(_spec)
sys.modules["embed_fakes"] = _module
_spec.loader.exec_module(_module)
