//! The pipeline's own tests: what is given and what is expected.

use super::*;

impl Loader<'_> {
    pub(super) fn tests(&mut self, node: &Node, flows: &[Flow]) -> Vec<Test> {
        let Value::Seq(nodes) = &node.value else {
            self.say(node.span, "`tests` must be a list");
            return Vec::new();
        };
        nodes.iter().filter_map(|n| self.test(n, flows)).collect()
    }

    fn test(&mut self, node: &Node, flows: &[Flow]) -> Option<Test> {
        let entries = self.map(node, "a test").to_vec();
        self.known(&entries, &["it", "flow", "at", "given", "fields", "expect"], "a test");
        let text = |this: &mut Self, key: &str| node.get(key).and_then(|n| this.text(n, &format!("`{key}`")));
        let (it, flow, at, given) = (text(self, "it"), text(self, "flow"), text(self, "at"), text(self, "given"));
        if let Some(name) = &flow
            && !flows.iter().any(|f| f.name == *name)
        {
            let span = node.get("flow").map_or(node.span, |n| n.span);
            self.near(span, format!("no flow is called `{name}`"), name, flows.iter().map(|f| f.name.as_str()));
        }
        let labels: Vec<&str> = flows
            .iter()
            .filter(|f| flow.as_ref().is_none_or(|name| f.name == *name))
            .flat_map(|f| f.steps.iter().map(|s| s.label.as_str()))
            .collect();
        if let Some(label) = &at
            && !labels.contains(&label.as_str())
        {
            let span = node.get("at").map_or(node.span, |n| n.span);
            self.near(span, format!("no step is called `{label}`"), label, labels.iter().copied());
        }
        let json = |node: Option<&Node>| match node.map(Node::to_json) {
            Some(serde_json::Value::Object(map)) => map,
            _ => serde_json::Map::new(),
        };
        let Some(expect) = node.get("expect") else {
            self.hint(
                node.span,
                "the test expects nothing",
                "add `expect: { dropped_by: …, because: … }`, `{ text: … }` or `kept`",
            );
            return None;
        };
        let mut expected = Expected::default();
        match &expect.value {
            Value::Str(word) if word == "kept" => expected.kept = Some(true),
            Value::Str(word) if word == "dropped" => expected.kept = Some(false),
            _ => {
                let inner = self.map(expect, "`expect`").to_vec();
                self.known(&inner, &["kept", "dropped_by", "because", "text", "fields"], "`expect`");
                expected.kept =
                    expect.get("kept").and_then(|n| if let Value::Bool(b) = n.value { Some(b) } else { None });
                expected.dropped_by = expect.get("dropped_by").and_then(|n| self.text(n, "`dropped_by`"));
                expected.because = expect.get("because").and_then(|n| self.text(n, "`because`"));
                expected.text = expect.get("text").and_then(|n| self.text(n, "`text`"));
                expected.fields = json(expect.get("fields"));
            }
        }
        let fields = json(node.get("fields"));
        Some(Test {
            it: it.unwrap_or_default(),
            flow,
            at,
            given: given.unwrap_or_default(),
            fields,
            expect: expected,
            span: node.span,
        })
    }
}
