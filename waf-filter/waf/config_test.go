package waf_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/decision"
	"github.com/palisade-mesh/palisade/waf-filter/waf"
)

// Configurations as users of coraza-proxy-wasm have them: those of its README, its examples for Envoy and Istio, its tests of the
// core rules, and the forms that its decoder takes.
func TestPeerConfigurations(t *testing.T) {
	const inline = `SecRuleEngine On", "Include @owasp_crs/*.conf\nSecRule REQUEST_URI \"@streq /admin\" \"id:101,phase:1,t:lowercase,deny\"`
	for name, c := range map[string]struct {
		configuration string
		sets          []string
		def           int
	}{
		"nothing":     {"", nil, -1},
		"blanks":      {" \n", nil, -1},
		"an object":   {"{}", nil, -1},
		"one rule":    {`{"directives_map": {"default": ["SecDebugLogLevel 9", "SecRuleEngine On", "SecRule REQUEST_URI \"@streq /admin\" \"id:101,phase:1,t:lowercase,deny\""]}, "default_directives": "default"}`, []string{"default"}, 0},
		"all of CRS":  {`{"directives_map": {"default": ["Include @demo-conf", "SecDebugLogLevel 9", "SecRuleEngine On", "Include @crs-setup-conf", "Include @owasp_crs/*.conf"]}, "default_directives": "default"}`, []string{"default"}, 0},
		"some of CRS": {`{"directives_map": {"default": ["Include @demo-conf", "Include @crs-setup-conf", "Include @owasp_crs/REQUEST-901-INITIALIZATION.conf"]}, "default_directives": "default"}`, []string{"default"}, 0},
		"Envoy's example": {`{"directives_map": {
			"rs1": ["Include @demo-conf", "Include @crs-setup-conf", "SecDefaultAction \"phase:3,log,auditlog,pass\"", "SecDefaultAction \"phase:4,log,auditlog,pass\"", "SecDefaultAction \"phase:5,log,auditlog,pass\"", "SecDebugLogLevel 3", "Include @owasp_crs/*.conf",
				"SecRule REQUEST_URI \"@streq /admin\" \"id:101,phase:1,t:lowercase,deny\" \nSecRule REQUEST_BODY \"@rx maliciouspayload\" \"id:102,phase:2,t:lowercase,deny\" \nSecRule RESPONSE_HEADERS::status \"@rx 406\" \"id:103,phase:3,t:lowercase,deny\" \nSecRule RESPONSE_BODY \"@contains responsebodycode\" \"id:104,phase:4,t:lowercase,deny\""],
			"rs2": ["Include @demo-conf", "SecDebugLogLevel 9", "SecRule REQUEST_URI \"@streq /example\" \"id:101,phase:1,t:lowercase,deny\""]},
			"default_directives": "rs1", "metric_labels": {"owner": "coraza", "identifier": "global"},
			"per_authority_directives": {"foo.example.com": "rs2", "bar.example.com": "rs2"}}`, []string{"rs1", "rs2"}, 0},
		"the old includes":  {`{"rules": ["Include @recommended-conf", "Include @ftw-conf", "Include @crs-setup-demo-conf", "Include @owasp_crs/REQUEST-9*.conf", "Include crs/RESPONSE-950-DATA-LEAKAGES.conf"]}`, []string{"default"}, 0},
		"the old form":      {`{"rules": ["` + inline + `"]}`, []string{"default"}, 0},
		"both forms":        {`{"rules": ["Include @nowhere"], "directives_map": {"foo": ["` + inline + `"]}, "default_directives": "foo"}`, []string{"foo"}, 0},
		"no default":        {`{"directives_map": {"default": ["` + inline + `"]}}`, nil, -1},
		"unused and wrong":  {`{"directives_map": {"a": ["SecRuleEngine On"], "b": ["SecNonsense"]}, "default_directives": "a"}`, []string{"a"}, 0},
		"a string":          {`{"directives_map": {"a": "SecRuleEngine On"}, "default_directives": "a", "metric_labels": {"n": 1, "b": true}}`, []string{"a"}, 0},
		"a file's own name": {`{"rules": ["Include coraza.conf-recommended.conf", "Include \"coraza-demo.conf\""]}`, nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := waf.Decode([]byte(c.configuration))
			require.NoError(t, err)
			assert.Equal(t, c.def, d.Default)
			assert.Equal(t, decision.Allow, d.Unmatched)
			if name == "a file's own name" { // both have the same rules: what is to be seen is that they are found
				_, err = waf.Compile(d)
				assert.ErrorContains(t, err, `$.rules[1]: line 1, in @recommended-conf line 13, SecRule: `)
				assert.ErrorContains(t, err, "duplicated rule id 200000")
				return
			}
			f, err := waf.Compile(d)
			require.NoError(t, err)
			defer f.Close()
			var names []string
			for _, s := range d.Sets {
				names = append(names, s.Name)
			}
			assert.Equal(t, c.sets, names)
		})
	}
}

func TestMistakes(t *testing.T) {
	for name, c := range map[string]struct{ configuration, want string }{
		"an unknown field":    {`{"directive_map": {}}`, `config: $.directive_map: unknown field; did you mean "directives_map"?`},
		"an unknown set":      {`{"directives_map": {"a": []}, "default_directives": "b"}`, `config: $.default_directives: found "b", which is neither in directives_map nor a profile (crs-pl1, crs-pl2, crs-pl3, crs-pl4, detection-only)`},
		"of an authority":     {`{"per_authority_directives": {"a.example": "b"}}`, `config: $.per_authority_directives["a.example"]: found "b", which is neither`},
		"no authority":        {`{"per_authority_directives": {"a@b": "crs-pl1"}}`, `config: $.per_authority_directives["a@b"]: the name is not an authority`},
		"an authority twice":  {`{"per_authority_directives": {"a.example": "crs-pl1", "A.example.": "crs-pl2"}}`, `a second rule set for the authority a.example, which has crs-pl1`},
		"two defaults":        {`{"profile": "crs-pl1", "default_directives": "crs-pl2"}`, `config: $.profile: beside default_directives`},
		"no profile":          {`{"profile": "pl1"}`, `config: $.profile: found "pl1", expected one of crs-pl1, `},
		"text for a label":    {`{"metric_labels": {"a": []}}`, `config: $.metric_labels.a: expected a string`},
		"a directive":         {`{"rules": ["SecRuleEngine On", "# a comment\n\nSecNonsense 1"]}`, `config: $.rules[1]: line 3, SecNonsense: unknown directive "secnonsense"`},
		"its value":           {`{"rules": ["SecRuleEngine Perhaps"]}`, `config: $.rules[0]: line 1, SecRuleEngine: invalid rule engine status: "Perhaps"`},
		"a rule in two lines": {`{"rules": ["SecRuleEngine On\nSecRule ARGS \\\n  \"@rx (\" \"id:1\""]}`, `config: $.rules[0]: line 2, SecRule: `},
		"a rule in a set":     {`{"directives_map": {"a": ["SecAction \"id:1\"", "SecAction \"id:1\""]}, "default_directives": "a"}`, `config: $.directives_map.a[1]: line 1, SecAction: `},
		"behind an include":   {`{"rules": ["Include @crs-setup-conf", "SecNonsense"]}`, `config: $.rules[1]: line 1, SecNonsense: `},
		"an include twice":    {`{"rules": ["Include @crs-setup-conf", "Include @crs-setup-conf"]}`, `config: $.rules[1]: line 1, in @crs-setup-conf line 3, SecAction: `},
		"no such file":        {`{"rules": ["Include @owasp-crs/*.conf"]}`, `config: $.rules[0]: line 1, Include: there is no rule file @owasp-crs/*.conf; those that there are: @api-conf, `},
		"a glob of nothing":   {`{"rules": ["Include @owasp_crs/*.config"]}`, `no file of the Core Rule Set is named *.config, so no rule would be loaded`},
		"no end":              {`{"rules": ["SecRuleEngine \\"]}`, `config: $.rules[0]: line 1, SecRuleEngine: the directive does not end`},
		"the limits together": {`{"rules": ["SecRequestBodyLimit 2000000000", "SecRuleEngine On"]}`, `config: $.rules: request body limit should be at most 1GiB`},
		"no data file":        {`{"rules": ["SecRule ARGS \"@pmFromFile /etc/passwd\" \"id:1\""]}`, `config: $.rules[0]: line 1, SecRule: `},
		"an id of nothing":    {`{"profile": "crs-pl1", "exclusions": [{"id": 1234567}]}`, `config: $.exclusions[0]: no rule of any rule set is meant by it`},
		"a tag of nothing":    {`{"profile": "crs-pl1", "exclusions": [{"tag": "attack-sql"}]}`, `config: $.exclusions[0]: no rule of any rule set is meant by it`},
		"id and tag":          {`{"profile": "crs-pl1", "exclusions": [{"tag": "a", "id": 1}]}`, `config: $.exclusions[0]: expected either id or tag`},
		"neither":             {`{"profile": "crs-pl1", "exclusions": [{"path": "/a"}]}`, `config: $.exclusions[0]: expected either id or tag`},
		"a range":             {`{"profile": "crs-pl1", "exclusions": [{"id": "9-1"}]}`, `config: $.exclusions[0].id: found "9-1", expected a rule's id or a range`},
		"a quote in a path":   {`{"profile": "crs-pl1", "exclusions": [{"id": 1, "path": "/a\" \"id:1,pass"}]}`, `config: $.exclusions[0].path: found `},
		"every path":          {`{"profile": "crs-pl1", "exclusions": [{"id": 1, "path": "/*"}]}`, `which is every path`},
		"a list in a name":    {`{"profile": "crs-pl1", "exclusions": [{"id": 1, "argument": "a|ARGS"}]}`, `config: $.exclusions[0].argument: found "a|ARGS"`},
		"a regexp for a name": {`{"profile": "crs-pl1", "exclusions": [{"id": 1, "header": "/.*/"}]}`, `config: $.exclusions[0].header: found "/.*/"`},
		"more in a tag":       {`{"profile": "crs-pl1", "exclusions": [{"tag": "a,ctl:ruleEngine=Off"}]}`, `config: $.exclusions[0].tag: found`},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := waf.Decode([]byte(c.configuration))
			if err == nil {
				_, err = waf.Compile(d)
			}
			assert.ErrorContains(t, err, c.want)
		})
	}
}

// A longer line than the engine's reader takes would end the configuration without a word.
func TestLongLine(t *testing.T) {
	long := make([]byte, 64<<10)
	for i := range long {
		long[i] = 'a'
	}
	d, err := waf.Decode([]byte(`{"rules": ["SecRuleEngine On", "SecRule ARGS \"@rx ` + string(long) + `\" \"id:1\"", "SecAction \"id:2,phase:1,deny\""]}`))
	require.NoError(t, err)
	_, err = waf.Compile(d)
	assert.ErrorContains(t, err, "config: $.rules[1]: line 1, SecRule: a line has more than 65535 bytes")
}

func TestWarnings(t *testing.T) {
	for configuration, want := range map[string][]string{
		`{"profile": "crs-pl1"}`:                           nil,
		`{"directives_map": {"a": []}, "mode": "enforce"}`: {"config: $: no rule set is used, so no request is inspected", "config: $.directives_map.a: no authority uses this rule set, so it is not compiled"},
		`{"per_authority_directives": {"a": "crs-pl1"}}`:   {"config: $: requests to authorities without a rule set pass uninspected; say default_directives, or unmatched: block"},
	} {
		d, err := waf.Decode([]byte(configuration))
		require.NoError(t, err)
		assert.Equal(t, want, d.Warnings, configuration)
	}
}

// A profile is what its directives are.
func TestRenderDirectives(t *testing.T) {
	render := func(configuration string) []string {
		d, err := waf.Decode([]byte(configuration))
		require.NoError(t, err)
		list, err := waf.RenderDirectives(d, 0)
		require.NoError(t, err)
		return list
	}
	profile := []string{
		"Include @recommended-conf",
		"SecRuleEngine On",
		"SecResponseBodyMimeType text/plain text/html text/xml application/json application/problem+json",
		"Include @crs-setup-conf",
		"Include @api-conf",
		`SecAction "id:900000,phase:1,pass,t:none,nolog,setvar:tx.blocking_paranoia_level=2"`,
		"Include @owasp_crs/*.conf",
	}
	assert.Equal(t, profile, render(`{"profile": "crs-pl2"}`))
	assert.Equal(t, profile, render(`{"rules": ["Include @crs-pl2"]}`))
	assert.Equal(t, append(profile, "SecRequestBodyLimit 1048576"), render(`{"rules": ["Include @crs-pl2", "SecRequestBodyLimit 1048576"]}`))
	assert.Equal(t, "SecRuleEngine DetectionOnly", render(`{"profile": "detection-only"}`)[1])

	list := render(`{"profile": "crs-pl2", "exclusions": [{"id": 942100}, {"tag": "attack-xss", "argument": "q", "cookie": "c"}, {"id": "942000-942999", "header": "x"}, {"tag": "attack-rce", "path": "/a"}]}`)
	assert.Equal(t, []string{
		`SecRuleRemoveById 942100`,
		`SecRuleUpdateTargetByTag attack-xss "!ARGS:q"`, `SecRuleUpdateTargetByTag attack-xss "!REQUEST_COOKIES:c"`,
		`SecRuleUpdateTargetById 942000-942999 "!REQUEST_HEADERS:x"`,
	}, list[len(list)-4:])
	assert.Equal(t, `SecRule REQUEST_FILENAME "@streq /a" "t:none,ctl:ruleRemoveByTag=attack-rce"`, list[2])
	assert.Equal(t, profile, list[3:len(list)-4])
	// What is shown does the same as what it stands for.
	assert.Len(t, list, 3+len(profile)+4)
}
