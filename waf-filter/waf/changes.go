package waf

import (
	"slices"
	"strconv"
	"strings"
)

// readChanges tells whether the rules are evaluated as they are written, as far as can be told of what else is in the list.
func (p *planner) readChanges() bool {
	p.gates, p.highest = true, highestLevel(p.list)
	if !setsLevel(p.list) {
		p.highest = maxLevel
	}
	for i := range p.list {
		if d := &p.list[i]; !strings.HasPrefix(d.file, crs) && !p.readChange(d) {
			return false
		}
	}
	return true
}

// readChange reads a directive that is not the Core Rule Set's. It is false if that may change what rules do whatever they match, or
// by how many others the engine is led past them.
func (p *planner) readChange(d *directive) bool {
	name, options := strings.ToLower(d.name()), d.options()
	switch {
	case strings.HasPrefix(name, "secruleupdateaction"), strings.Contains(strings.ToLower(d.text), "@palisade"):
		return false
	case name == "secdefaultaction":
		return !slices.ContainsFunc(splitActions(options), isMore)
	case strings.HasPrefix(name, "secruleupdatetarget"):
		if !onlyExcludes(options) {
			return false
		}
		if name == "secruleupdatetargetbyid" && updated(d) == 0 {
			p.highest = maxLevel // rules that have to be there
		}
		if strings.Contains(strings.ToUpper(options), "!TX") { // what gates look at
			p.gates = false
		}
	case strings.HasPrefix(name, "secruleremove"):
		if name == "secruleremovebyid" && mayMeanMarkers(options) {
			return false
		}
		p.gates = p.gates && !mayMeanGates(strings.TrimPrefix(name, "secruleremove"), options)
	}
	text, _ := readRule(d)
	return !slices.ContainsFunc(text.actions, func(action string) bool { return !p.readControl(action) })
}

// isMore tells of an action whether each rule that has it by default does more when it matches than to be logged, and to block.
func isMore(action string) bool {
	switch name, _ := readAction(action); name {
	case "phase", "log", "nolog", "auditlog", "noauditlog", "pass", "block", "deny", "drop", "allow", "redirect", "status", "proxy":
		return false
	}
	return true
}

// readControl reads an action of a rule, as readChange.
func (p *planner) readControl(action string) bool {
	name, value := readAction(action)
	switch name {
	case "skip": // a number of rules, of which there would be others
		return false
	case "ctl":
		control, options, _ := strings.Cut(strings.ToLower(value), "=")
		_, target, _ := strings.Cut(options, ";")
		switch control = strings.TrimSpace(control); {
		case control == "ruleremovebyid" && mayMeanMarkers(options):
			return false
		case strings.HasPrefix(strings.TrimSpace(target), "tx"):
			p.gates = false
		case strings.HasPrefix(control, "ruleremoveby"):
			p.gates = p.gates && !mayMeanGates(strings.TrimPrefix(control, "ruleremove"), options)
		}
	}
	return true
}

// setsLevel tells whether the Core Rule Set's initialization sets a paranoia level before there are gates, which are open without one,
// and nothing leads past that.
func setsLevel(list []directive) bool {
	for i := range list {
		d := &list[i]
		text, _ := readRule(d)
		if d.file == crs+initialization {
			if text.variables == "&TX:detection_paranoia_level" && text.operator == "@eq 0" && text.phase == 1 {
				return true
			}
			continue
		}
		actions := text.actions
		if d.is("SecDefaultAction") {
			actions = splitActions(d.options())
		}
		if strings.HasPrefix(d.file, crs) || slices.ContainsFunc(actions, leadsAway) {
			return false
		}
	}
	return false
}

const initialization = "REQUEST-901-INITIALIZATION.conf"

func leadsAway(action string) bool {
	name, _ := readAction(action)
	return name == "skip" || name == "skipafter" || name == "allow"
}

// highestLevel is the highest paranoia level that directives set; maxLevel if it cannot be told.
func highestLevel(list []directive) int {
	highest := 1 // the Core Rule Set's own
	for i := range list {
		text, ok := readRule(&list[i])
		if !ok {
			continue
		}
		for _, action := range text.actions {
			if name, value := readAction(action); name == "setvar" {
				highest = max(highest, levelSet(strings.ToLower(value)))
			}
		}
	}
	return highest
}

// levelSet is the paranoia level that a setvar sets; 0 if it is about something else, maxLevel if it cannot be told.
func levelSet(set string) int {
	name, value, _ := strings.Cut(strings.TrimPrefix(set, "!"), "=")
	if start, _, ok := strings.Cut(name, "%{"); ok { // what the name is depends on a variable
		if strings.HasPrefix("tx.detection_paranoia_level", start) || strings.HasPrefix("tx.blocking_paranoia_level", start) {
			return maxLevel
		}
		return 0
	}
	switch {
	case !strings.HasSuffix(strings.TrimSpace(name), "paranoia_level"):
		return 0
	case value == "%{tx.blocking_paranoia_level}":
		return 0 // which is set elsewhere
	}
	level, err := strconv.Atoi(value)
	if err != nil || level < 0 || value[0] == '+' { // which adds to what it was
		return maxLevel
	}
	return level
}

// updated is the id of the only rule that a SecRuleUpdateTargetById means, else 0.
func updated(d *directive) int {
	word, _, _ := strings.Cut(d.options(), " ")
	id, err := strconv.Atoi(word)
	if err != nil {
		return 0
	}
	return id
}

// onlyExcludes tells of the options of a SecRuleUpdateTarget... whether they take targets away and add none.
func onlyExcludes(options string) bool {
	_, targets, _ := strings.Cut(options, " ")
	targets = strings.Trim(targets, `"' `)
	for _, t := range strings.FieldsFunc(targets, func(r rune) bool { return r == '|' || r == ',' }) {
		if !strings.HasPrefix(strings.TrimSpace(t), "!") {
			return false
		}
	}
	return targets != ""
}

// mayMeanGates tells whether rules that are removed, "byid" and the like, may be gates, or those that set paranoia levels. All of these
// have one tag.
func mayMeanGates(by, options string) bool {
	options = strings.ToLower(strings.Trim(strings.TrimSpace(options), `"'`))
	switch by {
	case "byid":
		return slices.ContainsFunc(strings.Fields(options), isGate)
	case "bytag":
		return options == "" || options == "owasp_crs" || options[0] == '/' // an expression
	}
	return true
}

// isGate tells whether an id, or a range of them, has one of such rules.
func isGate(ids string) bool {
	low, high, isRange := strings.Cut(strings.Trim(ids, `"'`), "-")
	first, err := strconv.Atoi(strings.TrimSpace(low))
	last := first
	if isRange && err == nil {
		last, err = strconv.Atoi(strings.TrimSpace(high))
	}
	if err != nil || last-first >= 1000 {
		return true
	}
	for id := first; id <= last; id++ {
		if id%1000 >= 10 && id%1000 <= 19 || id/1000 == 901 {
			return true
		}
	}
	return false
}

// mayMeanMarkers tells of ids and ranges of them whether the id of each marker is there, which is 0: without it, the engine would go on
// past the end of a block.
func mayMeanMarkers(options string) bool {
	for _, word := range strings.Fields(options) {
		first, _, _ := strings.Cut(strings.Trim(word, `"'`), "-")
		if id, err := strconv.Atoi(strings.TrimSpace(first)); err != nil || id <= 0 {
			return true
		}
	}
	return false
}
