#include "fuzz/entry.h"
#include "server/tree/repository_index.h"
#include "server/tree/tag_log.h"

namespace transship::fuzz {
namespace {

// What serve finds in its tree: an index.json of any origin, and a tag log that a crash tore.
void run_serve_index(std::string_view input) {
  if (const auto index = server::parse_index_file(input)) {
    for (const server::Change& change : index->changes) {
      require(change.kind == server::Change::Kind::kManifest || !change.tag.empty(),
              "a tag has a name");
    }
  }
  std::vector<server::Change> changes;
  const std::size_t good =
      server::replay_records(input, [&](server::Change change) { changes.push_back(change); });
  require(good <= input.size(), "no byte is read behind the end");
  if (changes.empty()) return;
  std::size_t again = 0;
  const std::string record = server::encode_record(changes);
  require(server::replay_records(record, [&](server::Change) { ++again; }) == record.size(),
          "a record that we write is whole");
  require(again == changes.size(), "and says what it was given");
}

[[maybe_unused]] const bool kAdded = add_entry("serve_index", run_serve_index);

}  // namespace
}  // namespace transship::fuzz
