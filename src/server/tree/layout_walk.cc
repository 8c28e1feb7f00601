// Finding the repositories of a tree.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <memory>

#include "server/tree/layout_tree.h"

namespace transship::server {

namespace {

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

// Deep enough for every name of 255 bytes.
constexpr int kMaxDepth = 128;

class Walk {
 public:
  explicit Walk(std::vector<std::string>& out) : out_(&out) {}

  void visit(int parent, const std::string& component, const std::string& name, int depth) {
    const int number =
        ::openat(parent, component.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (number < 0) return;
    const std::unique_ptr<DIR, CloseDirectory> directory(::fdopendir(number));
    if (!directory || depth > kMaxDepth) return;
    std::vector<std::string> children;
    bool is_layout = false;
    const std::string prefix = name.empty() ? "" : name + "/";
    // The stream is nobody else's.
    while (const dirent* entry = ::readdir(directory.get())) {  // NOLINT(concurrency-mt-unsafe)
      const std::string_view text = entry->d_name;
      if (text == "oci-layout") is_layout = true;
      if (text == "blobs" || (entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN)) continue;
      if (oci::RepositoryName::parse(std::string(prefix).append(text))) children.emplace_back(text);
    }
    if (is_layout && !name.empty()) out_->push_back(name);
    for (const std::string& child : children) {
      visit(number, child, std::string(prefix).append(child), depth + 1);
    }
  }

 private:
  std::vector<std::string>* out_;
};

}  // namespace

std::vector<std::string> LayoutTree::repositories() const {
  std::vector<std::string> out;
  Walk(out).visit(root_.get(), ".", "", 0);
  return out;
}

}  // namespace transship::server
