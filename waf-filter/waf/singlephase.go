//go:build !coraza.rule.multiphase_evaluation

package waf

const multiphase = false
