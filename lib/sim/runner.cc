#include "lib/sim/runner.h"

#include <fmt/format.h>

namespace cowfs::sim {
namespace {

bool expects_outcome(const Trace& trace, std::size_t at) {
  if (at + 1 >= trace.statements.size()) return false;
  const auto& next = trace.statements[at + 1].expectation;
  return next && next->kind == ExpectKind::kOutcome;
}

}  // namespace

std::vector<TraceFailure> run_trace(const Trace& trace, const AfterStatement& after) {
  Session session(trace.settings);
  std::vector<TraceFailure> failures;
  const auto complain = [&](const Statement& where, std::string text) {
    failures.push_back({where.line, where.column, std::move(text)});
  };
  for (std::size_t i = 0; i < trace.statements.size(); ++i) {
    const Statement& statement = trace.statements[i];
    if (statement.expectation) {
      if (auto why = unmet(*statement.expectation, session)) {
        complain(statement, fmt::format("'{}' does not hold: {}", statement.text, *why));
      }
      continue;
    }
    if (const auto violation = session.apply(*statement.operation)) {
      complain(statement,
               fmt::format("invariant {} is broken: {}", violation->invariant, violation->text));
      return failures;
    }
    const Outcome outcome = session.last().outcome;
    if (outcome != Outcome::kOk && !trace.lenient && !expects_outcome(trace, i)) {
      complain(statement, fmt::format("'{}' ended with {}", statement.text, outcome_name(outcome)));
    }
    if (after) after(statement, session);
  }
  return failures;
}

std::vector<Operation> operations_of(const Trace& trace) {
  std::vector<Operation> operations;
  for (const Statement& statement : trace.statements) {
    if (statement.operation) operations.push_back(*statement.operation);
  }
  return operations;
}

}  // namespace cowfs::sim
