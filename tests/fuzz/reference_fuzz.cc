#include "fuzz/entry.h"
#include "oci/reference.h"

namespace transship::fuzz {
namespace {

void run_reference(std::string_view input) {
  const auto parsed = oci::parse_reference(input);
  if (!parsed) {
    require(parsed.error().code == Errc::kInvalidArgument, "a reference is the user's fault");
    return;
  }
  const std::string printed = oci::to_string(*parsed);
  const auto again = oci::parse_reference(printed);
  require(again.has_value(), "what is printed parses");
  require(again->index() == parsed->index(), "and is of the same kind");
  require(oci::to_string(*again) == printed, "and is the same");
  if (const auto* registry = std::get_if<oci::RegistryReference>(&*parsed)) {
    require(!registry->host.empty() && !registry->repository.empty(), "host and repository");
    require(registry->repository.str().find("..") == std::string::npos, "no way up");
  }
}

void run_names(std::string_view input) {
  if (const auto name = oci::RepositoryName::parse(input)) {
    require(name->str() == input && input.size() <= 255, "a name is kept as it is");
    require(input.find("..") == std::string_view::npos && input.front() != '/', "a safe path");
    require(input.find("//") == std::string_view::npos && input.back() != '/', "no empty part");
  }
  if (const auto tag = oci::Tag::parse(input)) {
    require(tag->str() == input && input.size() <= 128, "a tag is kept as it is");
    require(input.find_first_of("/:@\\") == std::string_view::npos, "a safe file name");
  }
}

[[maybe_unused]] const bool kAdded = add_entry("reference", [](std::string_view input) {
  run_reference(input);
  run_names(input);
});

}  // namespace
}  // namespace transship::fuzz
