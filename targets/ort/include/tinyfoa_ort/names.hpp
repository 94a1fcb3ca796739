// SPDX-License-Identifier: Apache-2.0
// Names of a step's own tensors, OWNER#ROLE, which no value of a model can have (tinyfoa_rt/ir/names.py).
#pragma once

#include <string>

namespace tinyfoa {
namespace names {

inline constexpr const char *rate = "#rate", *target = "#target", *loss = "#loss", *step = "#step";

// The tensor that is `role` to `owner`.
inline std::string own(const std::string& owner, const std::string& role) { return owner + "#" + role; }

// What one unit of a weight that is a whole number is worth.
inline std::string quantum_of(const std::string& weight) { return own(weight, "quantum"); }

// What a tensor is a role of.
inline std::string owner_of(const std::string& name) { return name.substr(0, name.rfind('#')); }

}  // namespace names
}  // namespace tinyfoa
