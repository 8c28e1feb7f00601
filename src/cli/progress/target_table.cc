#include "cli/progress/target_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "base/text.h"
#include "cli/progress/progress_board.h"

namespace transship::cli {

namespace {

/// Lines that are not rows of targets: heading, sum, and one that stays free below.
constexpr std::size_t kOtherLines = 3;
constexpr std::size_t kLeastName = 12;
constexpr std::string_view kGap = "  ";

struct Column {
  std::string heading;
  /// Columns with the highest number go first where the line is too long.
  int expendable;
  bool left_aligned;
  std::function<std::string(const TargetRow&)> text;
};

std::string rate_text(double bytes_per_second) {
  return human_bytes(static_cast<std::uint64_t>(bytes_per_second)) + "/s";
}

const std::vector<Column>& columns() {
  static const std::vector<Column> kColumns = {
      {"done", 0, false,
       [](const TargetRow& r) {
         return fmt::format("{}/{}", r.artifacts_ended, r.artifacts_found);
       }},
      {"failed", 1, false,
       [](const TargetRow& r) {
         return r.artifacts_failed == 0 ? std::string("-") : std::to_string(r.artifacts_failed);
       }},
      {"moved", 3, false, [](const TargetRow& r) { return human_bytes(r.bytes_moved); }},
      {"rate", 2, false, [](const TargetRow& r) { return rate_text(r.bytes_per_second); }},
      {"left", 1, false,
       [](const TargetRow& r) {
         return r.remaining ? clock_text(*r.remaining) : std::string("-");
       }},
      {"waits for", 1, true, [](const TargetRow& r) { return r.waits_for; }}};
  return kColumns;
}

struct Cells {
  const Column* column;
  std::vector<std::string> texts;
  std::size_t width;
};

Cells cells_of(const Column& column, std::span<const TargetRow> rows) {
  Cells out{.column = &column, .texts = {}, .width = column.heading.size()};
  for (const TargetRow& row : rows) {
    out.texts.push_back(column.text(row));
    out.width = std::max(out.width, out.texts.back().size());
  }
  // Figures grow and shrink: the columns should not.
  if (column.heading == "rate") out.width = std::max<std::size_t>(out.width, 12);
  if (column.heading == "moved") out.width = std::max<std::size_t>(out.width, 10);
  if (column.heading == "waits for") out.width = std::max<std::size_t>(out.width, 13);
  return out;
}

std::size_t width_of(const std::vector<Cells>& cells) {
  std::size_t out = 0;
  for (const Cells& one : cells) out += kGap.size() + one.width;
  return out;
}

std::vector<Cells> fitting(std::span<const TargetRow> rows, std::size_t width) {
  std::vector<Cells> out;
  const bool failures =
      std::ranges::any_of(rows, [](const TargetRow& r) { return r.artifacts_failed > 0; });
  for (const Column& column : columns()) {
    if (column.heading == "failed" && !failures) continue;
    out.push_back(cells_of(column, rows));
  }
  while (!out.empty() && width_of(out) + kLeastName > width) {
    out.erase(
        std::ranges::max_element(out, {}, [](const Cells& one) { return one.column->expendable; }));
  }
  return out;
}

std::string cut(const std::string& text, std::size_t width) {
  if (text.size() <= width) return text;
  return width < 3 ? text.substr(0, width) : text.substr(0, width - 2) + "..";
}

std::string padded(const std::string& text, const Cells& cells) {
  return cells.column->left_aligned ? fmt::format("{:<{}}", text, cells.width)
                                    : fmt::format("{:>{}}", text, cells.width);
}

TargetRow sum_of(std::span<const TargetRow> rows) {
  TargetRow sum;
  for (const TargetRow& row : rows) {
    sum.artifacts_found += row.artifacts_found;
    sum.artifacts_ended += row.artifacts_ended;
    sum.artifacts_failed += row.artifacts_failed;
    sum.bytes_moved += row.bytes_moved;
    sum.bytes_per_second += row.bytes_per_second;
    if (row.remaining)
      sum.remaining = std::max(sum.remaining.value_or(*row.remaining), *row.remaining);
  }
  return sum;
}

std::string sum_text(const std::string& job, std::span<const TargetRow> rows,
                     Clock::duration elapsed) {
  const TargetRow sum = sum_of(rows);
  std::string out =
      fmt::format("{} {}: {}/{} artifacts", job,
                  clock_text(std::chrono::duration_cast<std::chrono::seconds>(elapsed)),
                  sum.artifacts_ended, sum.artifacts_found);
  if (sum.artifacts_failed > 0) out += fmt::format(" ({} failed)", sum.artifacts_failed);
  out +=
      fmt::format(", {} moved, {}", human_bytes(sum.bytes_moved), rate_text(sum.bytes_per_second));
  if (sum.remaining) out += ", " + clock_text(*sum.remaining) + " left";
  return out;
}

}  // namespace

std::vector<std::string> table_lines(const std::string& job, std::span<const TargetRow> rows,
                                     Clock::duration elapsed, ProgressPicture::Size size) {
  const std::size_t width = size.columns > 1 ? size.columns - 1 : 1;
  const std::size_t most = size.rows > kOtherLines + 1 ? size.rows - kOtherLines : 1;
  const std::size_t shown = rows.size() <= most ? rows.size() : most - 1;
  const std::vector<Cells> cells = fitting(rows, width);
  std::size_t longest = std::string_view("target").size();
  for (const TargetRow& row : rows) longest = std::max(longest, row.name.size());
  const std::size_t name_width = std::min(longest, width - std::min(width, width_of(cells)));

  const auto line = [&](const std::string& name, const auto& text_of) {
    std::string out = fmt::format("{:<{}}", cut(name, name_width), name_width);
    for (const Cells& one : cells) out += std::string(kGap) + padded(text_of(one), one);
    out.resize(out.find_last_not_of(' ') + 1);
    return out;
  };
  std::vector<std::string> out;
  out.push_back(line("target", [](const Cells& one) { return one.column->heading; }));
  for (std::size_t i = 0; i < shown; ++i) {
    out.push_back(line(printable(rows[i].name),
                       [i](const Cells& one) -> const std::string& { return one.texts[i]; }));
  }
  if (shown < rows.size()) out.push_back(fmt::format("and {} more targets", rows.size() - shown));
  out.push_back(cut(sum_text(job, rows, elapsed), width));
  return out;
}

std::string summary_line(const std::string& job, std::span<const TargetRow> rows,
                         Clock::duration elapsed) {
  std::string out = sum_text(job, rows, elapsed);
  std::string waits;
  for (const TargetRow& row : rows) {
    if (row.waits_for == "-") continue;
    waits += fmt::format("{}{} for {}", waits.empty() ? "" : ", ", printable(row.name, 80),
                         row.waits_for);
  }
  if (!waits.empty()) out += "; waiting: " + waits;
  return out;
}

}  // namespace transship::cli
