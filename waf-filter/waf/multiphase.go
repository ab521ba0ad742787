//go:build coraza.rule.multiphase_evaluation

package waf

// multiphase tells that the engine evaluates rules as soon as their variables are there.
const multiphase = true
