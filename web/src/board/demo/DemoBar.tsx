import "./DemoBar.css";

import { useState } from "react";
import type { Problem } from "@taxirank/client";

import type { Panel } from "../panels";
import { Problems } from "../../ui/Problems";
import { HAS_DEMO, signUpDemo } from "./demoPeople";

/** The button that begins a demo; nothing where the server offers none. */
export function DemoButton({ onBegin }: { onBegin: (panels: Panel[]) => void }) {
  const [isBusy, setIsBusy] = useState(false);
  const [problems, setProblems] = useState<Problem[]>([]);
  if (!HAS_DEMO) return null;

  async function begin() {
    setIsBusy(true);
    const [rider, driver] = await Promise.all([signUpDemo("RIDER"), signUpDemo("DRIVER")]);
    setIsBusy(false);
    if (typeof rider === "string" && typeof driver === "string") {
      onBegin([
        { id: "RIDER", role: "RIDER", token: rider, isDemo: true },
        { id: "DRIVER-1", role: "DRIVER", token: driver, isDemo: true },
      ]);
    } else setProblems([rider, driver].flatMap((each) => (typeof each === "string" ? [] : each)));
  }

  return (
    <div className="begin-demo">
      <button type="button" className="primary" disabled={isBusy} onClick={() => void begin()}>
        Try it with demo people
      </button>
      <span>A rider and a driver, made for you: a whole ride takes a minute.</span>
      <Problems problems={problems} />
    </div>
  );
}

interface BarProps {
  /** The ride has ended. */
  isOver: boolean;
  onEnd: () => void;
}

/** Says that a demo is under way, and ends it. */
export function DemoBar({ isOver, onEnd }: BarProps) {
  return (
    <div className="demo-bar">
      <p role="status">
        {isOver
          ? "That was a whole ride. Robin and Dana are yours now: rate the ride, request another one, add a driver."
          : "A demo is under way: it presses the buttons for Robin, the rider, and for Dana, the driver."}
      </p>
      <button type="button" onClick={onEnd}>
        {isOver ? "Close" : "Take over"}
      </button>
    </div>
  );
}
