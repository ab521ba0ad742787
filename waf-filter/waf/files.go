package waf

import (
	"embed"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	coreruleset "github.com/corazawaf/coraza-coreruleset/v4"
)

//go:embed rules
var embedded embed.FS

// ruleFile is a file that a list of directives may include.
type ruleFile struct {
	name    string
	text    string
	profile bool // it stands for what is in it
}

// The rule files of our own, by the names that coraza-proxy-wasm has for its: with and without the @.
var ownFiles = map[string]string{
	"@recommended-conf":            "recommended.conf",
	"coraza.conf-recommended.conf": "recommended.conf",
	"@demo-conf":                   "demo.conf",
	"coraza-demo.conf":             "demo.conf",
	"@crs-setup-conf":              "crs-setup.conf",
	"@crs-setup-demo-conf":         "crs-setup.conf",
	"crs-setup.conf.example":       "crs-setup.conf",
	"@ftw-conf":                    "ftw.conf",
	"ftw-config.conf":              "ftw.conf",
	"@api-conf":                    "api.conf",
	crs + exclusionsBefore:         "",
	crs + exclusionsAfter:          "",
	"crs/" + exclusionsBefore:      "",
	"crs/" + exclusionsAfter:       "",
}

// Files of the Core Rule Set in which everything is a comment.
const (
	exclusionsBefore = "REQUEST-900-EXCLUSION-RULES-BEFORE-CRS.conf.example"
	exclusionsAfter  = "RESPONSE-999-EXCLUSION-RULES-AFTER-CRS.conf.example"
)

const (
	crs = "@owasp_crs/"
	// crsSetup is the Core Rule Set's own setup.
	crsSetup = "@crs-setup.conf.example"
)

// includes finds the files that an Include names.
func includes(pattern string) ([]ruleFile, error) {
	if list, ok := profileDirectives(strings.TrimPrefix(pattern, "@")); ok && pattern[0] == '@' {
		return []ruleFile{{pattern, strings.Join(list, "\n"), true}}, nil
	}
	if own, ok := ownFiles[pattern]; ok {
		if own == "" {
			return []ruleFile{{name: pattern}}, nil
		}
		text, err := embedded.ReadFile("rules/" + own)
		return []ruleFile{{name: pattern, text: string(text)}}, err
	}
	if pattern == crsSetup {
		text, err := fs.ReadFile(coreruleset.FS, crsSetup)
		return []ruleFile{{name: pattern, text: string(text)}}, err
	}
	name, ok := strings.CutPrefix(pattern, crs)
	if !ok {
		name, ok = strings.CutPrefix(pattern, "crs/")
	}
	if !ok {
		return nil, errors.New("there is no rule file " + pattern + "; those that there are: " + strings.Join(fileNames(), ", "))
	}
	return coreRules(name)
}

// coreRules are files of the Core Rule Set in the order of their names, which is the one they are to be loaded in.
func coreRules(pattern string) ([]ruleFile, error) {
	entries, err := fs.ReadDir(coreruleset.FS, strings.TrimSuffix(crs, "/"))
	if err != nil {
		return nil, err
	}
	var files []ruleFile
	for _, e := range entries {
		matched, err := path.Match(pattern, e.Name())
		if err != nil {
			return nil, errors.New("the pattern " + pattern + " is malformed")
		}
		if !matched {
			continue
		}
		text, err := fs.ReadFile(coreruleset.FS, crs+e.Name())
		if err != nil {
			return nil, err
		}
		files = append(files, ruleFile{name: crs + e.Name(), text: string(text)})
	}
	if files == nil {
		return nil, errors.New("no file of the Core Rule Set is named " + pattern + ", so no rule would be loaded")
	}
	return files, nil
}

func fileNames() []string {
	names := []string{crs + "*.conf", crsSetup}
	for name := range ownFiles {
		if name[0] == '@' && !strings.HasPrefix(name, crs) {
			names = append(names, name)
		}
	}
	for _, p := range profiles {
		names = append(names, "@"+p)
	}
	slices.Sort(names)
	return names
}

// dataFiles is what operators such as @pmFromFile read from: the Core Rule Set's lists, whose names its rules give
// without a directory.
type dataFiles struct{}

// Open implements fs.FS.
func (dataFiles) Open(name string) (fs.File, error) {
	dir, base := path.Split(name)
	switch dir {
	case "", crs, "crs/":
		return coreruleset.FS.Open(crs + base)
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}
