package jwt

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestEvaluate(t *testing.T) {
	const a, b = providerSet(1), providerSet(2)
	pa, pb := Requirement{op: requireProvider}, Requirement{op: requireProvider, provider: 1}
	of := func(op requirementOp, children ...Requirement) Requirement {
		return Requirement{op: op, children: children}
	}
	anyOf, allOf := of(requireAny, pa, pb), of(requireAll, pa, pb)
	for name, c := range map[string]struct {
		require        Requirement
		valid, invalid providerSet
		want           verdict
		used           providerSet
	}{
		"none":                                {Requirement{}, 0, 0, met, 0},
		"none, with a token":                  {Requirement{}, a, b, met, 0},
		"provider":                            {pa, a, 0, met, a},
		"provider, missing":                   {pa, b, 0, missing, 0},
		"provider, invalid":                   {pa, 0, a, invalid, 0},
		"provider, one valid and one invalid": {pa, a, a, invalid, 0},
		"any, first":                          {anyOf, a, 0, met, a},
		"any, both":                           {anyOf, a | b, 0, met, a | b},
		"any, neither":                        {anyOf, 0, 0, missing, 0},
		"any, valid and invalid":              {anyOf, a, b, invalid, 0},
		"all, both":                           {allOf, a | b, 0, met, a | b},
		"all, one":                            {allOf, a, 0, missing, a},
		"all, one invalid":                    {allOf, a, b, invalid, 0},
		"optional, missing":                   {of(requireOptional, pa), 0, 0, met, 0},
		"optional, valid":                     {of(requireOptional, pa), a, 0, met, a},
		"optional, invalid":                   {of(requireOptional, pa), 0, a, invalid, 0},
		"optional all, one":                   {of(requireOptional, allOf), a, 0, missing, a},
		"optional all, none":                  {of(requireOptional, allOf), 0, 0, met, 0},
		"permissive, missing":                 {of(requirePermissive, pa), 0, 0, met, 0},
		"permissive, valid":                   {of(requirePermissive, pa), a, 0, met, a},
		"permissive, invalid":                 {of(requirePermissive, pa), 0, a, met, 0},
		"permissive any, valid and invalid":   {of(requirePermissive, anyOf), a, b, met, 0},
		"permissive all, one":                 {of(requirePermissive, allOf), a, 0, met, 0},
		"all of one and a permissive":         {of(requireAll, pa, of(requirePermissive, pb)), a, b, met, a},
		"all of one and an optional":          {of(requireAll, pa, of(requireOptional, pb)), a, b, invalid, 0},
		"any with none":                       {of(requireAny, pa, Requirement{}), 0, 0, met, 0},
		"any with none, invalid":              {of(requireAny, pa, Requirement{}), 0, a, invalid, 0},
	} {
		t.Run(name, func(t *testing.T) {
			got, used := c.require.evaluate(outcome{valid: c.valid, invalid: c.invalid})
			assert.Equal(t, c.want, got)
			if c.want == met {
				assert.Equal(t, c.used, used)
			}
		})
	}
	assert.Equal(t, a|b, (&allOf).providers())
	assert.Equal(t, providerSet(0b111), func() providerSet { q := anyProvider(3); return q.providers() }())
}

func TestDecodeRequirementRefuses(t *testing.T) {
	for require, want := range map[string]string{
		`{}`:                                        "found none of them",
		`{"provider": "corp", "none": true}`:        "found none and provider",
		`{"provider": "other"}`:                     `found "other", expected one of corp`,
		`{"any": []}`:                               "the list is empty",
		`{"any": {"provider": "corp"}}`:             "expected a list",
		`{"none": false}`:                           "none is true, or left out",
		`{"optional": null}`:                        "expected an object, found null",
		`{"all": [{"provider": "corp"}, {"a": 1}]}`: "$.rules[0].require.all[1]",
		`{"optional":{"optional":{"optional":{"optional":{"optional":{"optional":{"optional":{"optional":{"optional":{"optional":{"none":true}}}}}}}}}}}`: "nested too deeply",
	} {
		_, err := Decode([]byte(`{"providers": {"corp": {"issuer": "i", "jwks": ` + mustJSON(t, allKeys(t)) + `}}, "rules": [{"require": ` + require + `}]}`))
		assert.ErrorContains(t, err, want, require)
	}
}
