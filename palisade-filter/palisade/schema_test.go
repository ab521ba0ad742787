package palisade_test

import (
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/schematest"
	"github.com/palisade-mesh/palisade/palisade-filter/palisade"
)

var update = flag.Bool("update", false, "write the schema anew from those of the filters")

const schemaFile = "../palisade-filter.schema.json"

func TestSchema(t *testing.T) {
	decode := func(raw []byte) error { _, err := palisade.Decode(raw); return err }
	schematest.Check(t, schemaFile, decode, "../testdata/*.yaml")
}

// The schema has those of the filters in it, so that one file is enough for an editor:
//
//	go test ./palisade-filter/palisade -run SchemaIsThoseOfTheFilters -update
func TestSchemaIsThoseOfTheFilters(t *testing.T) {
	properties, definitions, example := object{}, object{}, object{}
	for _, section := range []string{"jwt", "authz", "ratelimit"} {
		name := section + "-filter"
		schema := read(t, "../../"+name+"/"+name+".schema.json")
		for definition, value := range schema["$defs"].(object) {
			definitions[section+"-"+definition] = value
		}
		example[section] = schema["examples"].([]any)[0]
		prefixReferences(schema, section)
		for _, member := range []string{"$schema", "$defs", "examples", "title"} {
			delete(schema, member)
		}
		schema["description"] = "The configuration of " + name + ". Absent: it does not run."
		properties[section] = schema
	}
	whole, err := json.MarshalIndent(object{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "palisade-filter", "type": "object",
		"properties": properties, "additionalProperties": false, "minProperties": 1, "$defs": definitions, "examples": []any{example},
	}, "", "  ")
	require.NoError(t, err)
	whole = append(whole, '\n')
	if *update {
		require.NoError(t, os.WriteFile(schemaFile, whole, 0o644))
	}
	is, err := os.ReadFile(schemaFile)
	require.NoError(t, err)
	assert.JSONEq(t, string(whole), string(is), "run with -update")
}

type object = map[string]any

func read(t *testing.T, file string) object {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	var schema object
	require.NoError(t, json.Unmarshal(text, &schema))
	return schema
}

// prefixReferences makes references lead to a section's own definitions.
func prefixReferences(node any, section string) {
	switch node := node.(type) {
	case object:
		if ref, ok := node["$ref"].(string); ok {
			node["$ref"] = strings.Replace(ref, "#/$defs/", "#/$defs/"+section+"-", 1)
		}
		for _, child := range node {
			prefixReferences(child, section)
		}
	case []any:
		for _, child := range node {
			prefixReferences(child, section)
		}
	}
}
