//go:build !coraza.rule.multiphase_evaluation

package waf_test

// multiphase is how the module is built: see the tag.
const multiphase = false
