#pragma once

#include "config/toml_table.h"

namespace transship::config {

/// Complains of what the document's registries name and is not there: files (nothing is read),
/// environment variables, credential helpers on PATH.
void check_named(TomlTable& root);

}  // namespace transship::config
