"""Tests of check_layers.py: each rule is broken once in a tree made for the test."""

import pathlib
import tempfile
import unittest

import check_layers


class Layers(unittest.TestCase):
    def problems(self, files):
        with tempfile.TemporaryDirectory() as root:
            for name, text in files.items():
                path = pathlib.Path(root, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
            return check_layers.check_tree(pathlib.Path(root))

    def assert_allowed(self, folder, include):
        self.assertEqual(self.problems({f"{folder}/a.cc": f'#include "{include}"\n'}), [])

    def assert_refused(self, folder, include):
        found = self.problems({f"{folder}/a.cc": f'int x;\n#include "{include}"\n'})
        self.assertEqual(len(found), 1, f"{folder} includes {include}")
        self.assertIn(f"{folder}/a.cc:2: {folder} may not include {include}", found[0])

    def test_what_the_graph_allows(self):
        for folder, include in [
            ("oci", "base/error.h"),
            ("oci", "oci/digest.h"),
            ("scheduler", "transport/admission.h"),
            ("engine", "storage/journal.h"),
            ("config", "registry/options.h"),
            ("registry", "transport/http.h"),
            ("server", "storage/file_io.h"),
            ("cli", "config/config.h"),
        ]:
            self.assert_allowed(folder, include)

    def test_what_it_does_not(self):
        for folder, include in [
            ("base", "oci/digest.h"),
            ("oci", "transport/http.h"),
            ("transport", "oci/digest.h"),
            ("scheduler", "transport/http.h"),
            ("storage", "registry/registry.h"),
            ("registry", "scheduler/gate.h"),
            ("engine", "transport/http.h"),
            ("engine", "storage/file_io.h"),
            ("engine", "registry/registry.h"),
            ("server", "registry/registry.h"),
            ("server", "transport/http.h"),
            ("config", "engine/copy.h"),
            ("registry", "config/config.h"),
            ("engine", "cli/arguments.h"),
        ]:
            self.assert_refused(folder, include)

    def test_the_order_of_parts(self):
        include = '#include "engine/{}"\n'.format
        for file, target, refused in [
            ("engine/sync/a.cc", "copy/b.h", 0),
            ("engine/copy/a.cc", "copy/b.h", 0),
            ("engine/pipe/a.cc", "retry.h", 0),
            ("engine/copy/a.cc", "sync/b.h", 1),
            ("engine/pipe/a.cc", "transfer/b.h", 1),
            ("engine/a.cc", "pipe/b.h", 1),
            ("engine/misc/a.cc", "retry.h", 1),
        ]:
            self.assertEqual(len(self.problems({file: include(target)})), refused, file)

    def test_spelling_does_not_hide_an_include(self):
        self.assertEqual(len(self.problems({"oci/a.h": '  #  include "transport/http.h"\n'})), 1)
        self.assertEqual(len(self.problems({"oci/deep/a.h": '#include "cli/x.h"\n'})), 1)
        self.assertEqual(len(self.problems({"oci/a.cc": '#include "../transport/http.h"\n'})), 1)

    def test_libraries_stay_out_of_headers(self):
        self.assertEqual(len(self.problems({"transport/a.h": "#include <curl/curl.h>\n"})), 1)
        self.assertEqual(self.problems({"transport/a.cc": "#include <curl/curl.h>\n"}), [])

    def test_a_folder_that_nobody_knows(self):
        self.assertEqual(len(self.problems({"util/a.h": "int x;\n"})), 1)

    def test_comments_and_system_headers_pass(self):
        text = '// #include "cli/x.h"\n#include <vector>\n'
        self.assertEqual(self.problems({"base/a.cc": text}), [])

    def test_umbrellas_and_json_in_headers(self):
        self.assertEqual(len(self.problems({"oci/a.cc": "#include <boost/json.hpp>\n"})), 1)
        self.assertEqual(len(self.problems({"oci/a.h": "#include <boost/json/value.hpp>\n"})), 1)
        self.assertEqual(self.problems({"oci/a.cc": "#include <boost/json/value.hpp>\n"}), [])
        self.assertEqual(self.problems({"oci/a.h": "#include <boost/json/fwd.hpp>\n"}), [])


if __name__ == "__main__":
    unittest.main()
