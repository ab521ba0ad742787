package waf_test

import (
	"encoding/json"
	"io/fs"
	"slices"
	"strings"
	"testing"

	coreruleset "github.com/corazawaf/coraza-coreruleset/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/waf-filter/waf"
)

// What else is in a list may change what the Core Rule Set's rules do. Each case has matches of rules that a screening would leave out if
// it took them as they are written.
func TestScreeningOfConfigurations(t *testing.T) {
	const (
		detect = `SecRuleEngine DetectionOnly`
		setup  = `SecAction "id:900990,phase:1,pass,nolog,setvar:tx.crs_setup_version=4250"`
		all    = "Include @owasp_crs/*.conf"
		first  = "Include @owasp_crs/REQUEST-901-INITIALIZATION.conf"
		sqli   = "Include @owasp_crs/REQUEST-942-APPLICATION-ATTACK-SQLI.conf"
	)
	action := func(actions string) string { return `SecAction "id:900000,phase:1,pass,nolog,` + actions + `"` }
	const beyond = "942430" // of paranoia level 2: a number of special characters
	for name, c := range map[string]struct {
		rules []string
		match string // is in the trace
	}{
		"level 1":                                  {[]string{setup, all}, "detection_paranoia_level=1"},
		"level 4":                                  {[]string{setup, action("setvar:tx.blocking_paranoia_level=4"), all}, beyond},
		"a level without quotes":                   {[]string{setup, "SecAction id:900000,phase:1,pass,nolog,setvar:tx.blocking_paranoia_level=4", all}, beyond},
		"a level in single quotes":                 {[]string{setup, "SecAction 'id:900000,phase:1,pass,nolog,setvar:tx.blocking_paranoia_level=4'", all}, beyond},
		"a level before quotes":                    {[]string{setup, action(`setvar:tx.blocking_paranoia_level=4,msg:'a "b" c'`), all}, beyond},
		"a level behind a backslash":               {[]string{setup, action(`msg:'a\\', b',setvar:tx.blocking_paranoia_level=4`), all}, beyond},
		"a level in upper case":                    {[]string{setup, action("SETVAR:'TX.BLOCKING_PARANOIA_LEVEL=4'"), all}, beyond},
		"a level that is added up":                 {[]string{setup, action("setvar:tx.detection_paranoia_level=1,setvar:tx.detection_paranoia_level=+2"), all}, beyond},
		"a level whose name is a variable's value": {[]string{setup, action("setvar:tx.x=paranoia_level,setvar:tx.detection_%{tx.x}=4"), all}, beyond},
		"a level that is raised late": {[]string{setup, "Include @owasp_crs/REQUEST-9[0-3]*.conf", action("setvar:tx.detection_paranoia_level=4"),
			"Include @owasp_crs/REQUEST-94*.conf"}, beyond},
		"a level that is raised between the phases": {[]string{setup, `SecAction "id:900000,phase:2,pass,nolog,setvar:tx.detection_paranoia_level=4"`, all}, "942131"},
		"no level":                  {[]string{sqli}, beyond},
		"no level yet":              {[]string{sqli, setup, first}, "detection_paranoia_level=1"},
		"a level that is removed":   {[]string{setup, all, "SecRuleRemoveById 901125"}, beyond},
		"a level that is led past":  {[]string{action("skipAfter:HERE"), first, "SecMarker HERE", sqli}, beyond},
		"a level that is let past":  {[]string{"SecRuleEngine On", `SecAction "id:900000,phase:1,allow:phase,nolog"`, first, "Include @owasp_crs/REQUEST-94[0-4]*.conf"}, "942131"},
		"a gate that is removed":    {[]string{setup, action("ctl:'ruleRemoveById=942013',ctl:'ruleRemoveById=942014'"), all}, beyond},
		"a gate, with blanks":       {[]string{setup, action("ctl: ruleRemoveById=942013,ctl: ruleRemoveById=942014"), all}, beyond},
		"a gate without a variable": {[]string{setup, all, `SecRuleUpdateTargetById 942013-942014 "!TX"`}, beyond},
		"a gate without its variable": {[]string{setup, action("ctl:ruleRemoveTargetById=942013-942014;TX:detection_paranoia_level"), all},
			beyond},
		"markers that are removed": {[]string{setup, action("ctl:ruleRemoveById=0-999999"), all, `SecAction "id:1000000,phase:2,pass,nolog,setvar:tx.reached=1"`},
			"reached=1"},
		"a marker that is removed": {[]string{setup, all, "SecRuleRemoveById 0"}, "detection_paranoia_level=1"},
		"a number of rules":        {[]string{setup, first, action("setvar:tx.detection_paranoia_level=4,skip:44"), sqli}, "942432"},
		"a default that counts":    {[]string{`SecDefaultAction "phase:1,pass,log,setvar:tx.count=+1"`, setup, all}, "count="},
		"an update of actions":     {[]string{setup, all, `SecRuleUpdateActionById 942430 "pass,multiMatch"`}, "detection_paranoia_level=1"},
	} {
		t.Run(name, func(t *testing.T) {
			rules := append([]string{detect}, c.rules...)
			e := exchange{method: "POST", target: "/?q=1%3C%3E2%20or%20%27~~~~;;;'''((", headers: with("content-type", "application/x-www-form-urlencoded"),
				body: "b=1%3C%3E2%20or%20%27~~~~;;;'''(("}
			screened, plain := screenedAndPlain(t, configuration(t, rules))
			want := trace(t, plain, &e)
			require.Contains(t, want, c.match)
			for range 3 {
				assert.Equal(t, want, trace(t, screened, &e))
			}
		})
	}
}

// Exclusions are common. They are no reason to have the engine evaluate everything, or rules that no level reaches.
func TestScreeningWithExclusions(t *testing.T) {
	for _, exclusions := range []string{
		`[{"id": 942100, "path": "/a"}, {"id": 942100, "argument": "q"}, {"id": 942100, "argument": "q", "path": "/a/*"}, {"id": 942140}]`,
		`[{"id": "942100-942199"}, {"id": "942100-942199", "path": "/a"}]`,
		`[{"tag": "attack-xss"}, {"tag": "attack-sqli", "path": "/a"}, {"tag": "attack-rce", "header": "x-a"}]`,
	} {
		t.Run(exclusions, func(t *testing.T) {
			f := compile(t, `{"profile": "crs-pl1", "exclusions": `+exclusions+`}`)
			tx := (&exchange{headers: browser}).through(t, f, 100)
			assert.NotZero(t, tx.LedPast())
			ids := slices.Concat(f.Screened()...)
			assert.Contains(t, ids, 932160)
			assert.NotContains(t, ids, 942120, "of paranoia level 2")
		})
	}
	f := compile(t, `{"profile": "crs-pl1", "exclusions": [{"id": "942000-942999"}]}`) // with its gates
	assert.Contains(t, slices.Concat(f.Screened()...), 932236, "of paranoia level 2")
}

// Those of which mayMeanGates knows the tag.
func TestGatesHaveOneTag(t *testing.T) {
	files, err := fs.Glob(coreruleset.FS, "@owasp_crs/*.conf")
	require.NoError(t, err)
	gates := 0
	for _, file := range files {
		text, err := fs.ReadFile(coreruleset.FS, file)
		require.NoError(t, err)
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, "SecRule TX:DETECTION_PARANOIA_LEVEL \"@lt ") {
				gates++
				assert.Equal(t, 1, strings.Count(line, "tag:"), line)
				assert.Contains(t, line, "tag:'OWASP_CRS'")
			}
		}
	}
	assert.Greater(t, gates, 100)
}

// configuration is one of a list of directives.
func configuration(t *testing.T, rules []string) string {
	t.Helper()
	list, err := json.Marshal(map[string]any{"rules": rules})
	require.NoError(t, err)
	return string(list)
}

// The operators that lead the engine are for nobody else.
func TestOperatorsOfScreening(t *testing.T) {
	for _, operator := range []string{"@palisadeScreen 0", "@palisadeTransformed 0"} {
		c := configuration(t, []string{"Include @owasp_crs/*.conf", `SecRule ARGS "` + operator + `" "id:1,phase:2,pass"`})
		d, err := waf.Decode([]byte(c))
		require.NoError(t, err)
		_, err = waf.Compile(d)
		assert.ErrorContains(t, err, "this operator is not for rules")
	}
}
