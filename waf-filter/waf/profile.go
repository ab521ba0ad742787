package waf

import "strings"

// profiles are the names that stand for directives.
var profiles = []string{"crs-pl1", "crs-pl2", "crs-pl3", "crs-pl4", "detection-only"}

// profileDirectives are the directives that a profile stands for: the Core Rule Set at a paranoia level, blocking early,
// with what APIs need; detection-only is the first level without blocking.
func profileDirectives(name string) ([]string, bool) {
	level, engine := "1", "On"
	switch name {
	case "detection-only":
		engine = "DetectionOnly"
	case "crs-pl1", "crs-pl2", "crs-pl3", "crs-pl4":
		level = strings.TrimPrefix(name, "crs-pl")
	default:
		return nil, false
	}
	return []string{
		"Include @recommended-conf",
		"SecRuleEngine " + engine,
		"SecResponseBodyMimeType text/plain text/html text/xml application/json application/problem+json",
		"Include @crs-setup-conf",
		"Include @api-conf",
		`SecAction "id:900000,phase:1,pass,t:none,nolog,setvar:tx.blocking_paranoia_level=` + level + `"`,
		"Include @owasp_crs/*.conf",
	}, true
}
