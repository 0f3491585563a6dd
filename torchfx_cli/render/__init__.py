"""RenderPlan -> blocks, on a device. Engines are the only owners of running state."""
