#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "base/text.h"
#include "cli/json_line.h"
#include "cli/output/artifact_view.h"
#include "cli/output/json_objects.h"

namespace transship::cli {
namespace json = boost::json;

namespace {

using Relation = ArtifactNode::Relation;

std::string kind_text(const ArtifactNode& node) {
  if (!node.problem.empty() && node.manifest.bytes.empty()) {
    return "unreadable: " + printable(node.problem);
  }
  switch (node.manifest.kind) {
    case oci::Manifest::Kind::kIndex:
      return fmt::format("index of {}", node.manifest.manifests.size());
    case oci::Manifest::Kind::kImage: {
      const bool image = node.manifest.artifact_type.find("image.config") != std::string::npos ||
                         node.manifest.artifact_type.find("container.image") != std::string::npos;
      return image ? fmt::format("image, {} layers", node.manifest.layers.size())
                   : printable(node.manifest.artifact_type);
    }
    case oci::Manifest::Kind::kArtifact:
      return printable(node.manifest.artifact_type);
  }
  return {};
}

std::string node_label(const ArtifactNode& node) {
  std::string out;
  if (node.relation == Relation::kReferrer) out += "referrer ";
  if (node.relation == Relation::kDigestTag) {
    out += "tag " + node.tag.substr(std::min<std::size_t>(node.tag.size(), 71)) + " ";
  }
  if (node.descriptor.platform) out += printable(node.descriptor.platform->to_string()) + " ";
  if (!node.descriptor.digest.empty()) out += node.descriptor.digest.short_string() + " ";
  out += kind_text(node);
  if (node.manifest.kind != oci::Manifest::Kind::kIndex && !node.manifest.bytes.empty()) {
    out += ", " + human_bytes(node.content_bytes());
  }
  return out;
}

void draw(const ArtifactNode& node, const std::string& indent, std::string& out) {
  std::vector<const ArtifactNode*> below;
  below.reserve(node.children.size() + node.referrers.size());
  for (const auto& child : node.children) below.push_back(&child);
  for (const auto& referrer : node.referrers) below.push_back(&referrer);
  for (std::size_t i = 0; i < below.size(); ++i) {
    const bool last = i + 1 == below.size();
    out += indent + (last ? "└── " : "├── ") + node_label(*below[i]) + "\n";
    draw(*below[i], indent + (last ? "    " : "│   "), out);
  }
}

std::string relation_text(Relation relation) {
  switch (relation) {
    case Relation::kRoot:
      return "root";
    case Relation::kChild:
      return "child";
    case Relation::kReferrer:
      return "referrer";
    case Relation::kDigestTag:
      return "digestTag";
  }
  return "root";
}

json::object node_object(const ArtifactNode& node) {
  json::object out{
      {"relation", relation_text(node.relation)},
      {"mediaType", node.descriptor.media_type},
      {"digest", node.descriptor.digest.empty() ? "" : node.descriptor.digest.to_string()},
      {"size", node.descriptor.size},
      {"artifactType", node.manifest.artifact_type},
      {"contentBytes", node.content_bytes()}};
  if (!node.tag.empty()) out["tag"] = node.tag;
  if (node.descriptor.platform) out["platform"] = node.descriptor.platform->to_string();
  if (!node.problem.empty()) out["problem"] = node.problem;
  json::array layers, children, referrers;
  for (const auto& layer : node.manifest.layers) {
    layers.push_back({{"mediaType", layer.media_type},
                      {"digest", layer.digest.to_string()},
                      {"size", layer.size}});
  }
  for (const auto& child : node.children) children.push_back(node_object(child));
  for (const auto& referrer : node.referrers) referrers.push_back(node_object(referrer));
  out["layers"] = std::move(layers);
  out["children"] = std::move(children);
  out["referrers"] = std::move(referrers);
  return out;
}

}  // namespace

std::string tree_text(const std::string& reference, const ArtifactNode& root) {
  std::string out = printable(reference) + " " + node_label(root) + "\n";
  draw(root, "", out);
  return out;
}

std::string inspect_text(const std::string& reference, const ArtifactNode& root) {
  std::string out = fmt::format("reference  {}\ndigest     {}\ntype       {}\nkind       {}\n",
                                printable(reference), root.descriptor.digest.to_string(),
                                printable(root.manifest.media_type), kind_text(root));
  out += fmt::format("manifest   {}\ncontent    {} (config and layers, each once)\n",
                     human_bytes(root.manifest.bytes.size()), human_bytes(root.content_bytes()));
  if (root.manifest.subject) {
    out += "subject    " + root.manifest.subject->digest.to_string() + "\n";
  }
  for (const auto& [key, value] : root.manifest.annotations) {
    out += fmt::format("annotation {} = {}\n", printable(key), printable(value));
  }
  for (const auto& child : root.children) out += "child      " + node_label(child) + "\n";
  for (const auto& layer : root.manifest.layers) {
    out += fmt::format("layer      {} {} {}\n", layer.digest.to_string(), human_bytes(layer.size),
                       printable(layer.media_type));
  }
  for (const auto& referrer : root.referrers) out += node_label(referrer) + "\n";
  if (!root.problem.empty()) out += "problem    " + printable(root.problem) + "\n";
  return out;
}

std::string artifact_json(const std::string& reference, const ArtifactView& view) {
  json::object out = node_object(view.root);
  json::array problems;
  for (const Error& problem : view.problems) problems.push_back(error_object(problem));
  out["version"] = 1;
  out["reference"] = reference;
  out["complete"] = view.problems.empty();
  out["problems"] = std::move(problems);
  return json_line(out);
}

}  // namespace transship::cli
